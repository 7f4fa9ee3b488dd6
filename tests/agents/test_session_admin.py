"""Sessions on the admin site: seen with whose they are, and stopped by who may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import services
from agents.models import Agent, RuntimeSession
from agents.sessions.owners import OPERATORS
from core.models import AuditEvent, User
from core.subject import Subject
from tests.agents.conftest import ADMIN, make_agent, signed_in
from tests.agents.sessions.rows import make_session

pytestmark = pytest.mark.django_db

LIST = "admin:agents_runtimesession_changelist"


def listed(browser: Client, **query: str) -> str:
    response = browser.get(reverse(LIST), query)
    assert response.status_code == 200
    return response.content.decode()


def act(browser: Client, *sessions: RuntimeSession, **more: str) -> Any:
    chosen = {"action": "stop", "_selected_action": [str(one.pk) for one in sessions]}
    return browser.post(reverse(LIST), {**chosen, **more}, follow=True)


def over() -> dict[str, Any]:
    return {"expires_at": timezone.now() - timedelta(seconds=1)}


def test_whose_they_are_is_said(admin: Client, concierge: Agent, charlie: User) -> None:
    for owner in (
        charlie.subject,
        Subject.opaque("user-7"),
        Subject.of_workload("batch-identity"),
        OPERATORS,
    ):
        make_session(concierge, owner)

    page = listed(admin)

    for words in ("Charlie", "“user-7”, as an operator", "batch-identity", "Operators, for nobody"):
        assert words in page


def test_before_the_first_call_it_says_that_there_was_none(admin: Client) -> None:
    assert "Nobody has called an agent yet." in listed(admin)


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ({"state": "live"}, {"live"}),
        ({"state": "stopped"}, {"stopped"}),
        ({"state": "expired"}, {"expired"}),
        ({"q": "charlie"}, {"live", "stopped", "expired"}),
        ({"q": "nobody"}, set()),
        ({"q": "other"}, {"of another agent"}),
    ],
)
def test_they_are_found_by_state_person_and_agent(
    admin: Client, concierge: Agent, charlie: User, query: dict[str, str], seen: set[str]
) -> None:
    stopped = {"ended_at": timezone.now(), "ended_by": "an admin"}
    made = {
        "live": make_session(concierge, charlie.subject),
        "stopped": make_session(concierge, charlie.subject, **stopped),
        "expired": make_session(concierge, charlie.subject, **over()),
        "of another agent": make_session(
            make_agent("other"), Subject("https://idp.example", "bob"), **{**over(), **stopped}
        ),
    }

    page = listed(admin, **query)

    found = {name for name, one in made.items() if one.session_id in page}
    assert found - ({"of another agent"} if query.get("state") == "stopped" else set()) == seen


def test_an_agent_filters_them(admin: Client, concierge: Agent, charlie: User, bob: User) -> None:
    other = make_session(make_agent("other"), bob.subject)
    mine = make_session(concierge, charlie.subject)

    page = listed(admin, agent=concierge.agent_id)

    assert mine.session_id in page
    assert other.session_id not in page


def test_stopping_asks_first_and_says_whose_they_are(
    admin: Client, concierge: Agent, charlie: User
) -> None:
    session = make_session(concierge, charlie.subject)

    page = act(admin, session).content.decode()

    assert "Stop these sessions?" in page
    assert "Charlie: Concierge" in page
    session.refresh_from_db()
    assert session.ended_at is None


def test_what_is_confirmed_is_stopped_on_record(
    admin: Client, concierge: Agent, charlie: User
) -> None:
    sessions = [make_session(concierge, charlie.subject) for _ in range(2)]

    page = act(admin, *sessions, confirmed="yes").content.decode()

    assert "2 sessions stopped." in page
    assert all(one.ended_by == "Alice" for one in RuntimeSession.objects.all())
    events = AuditEvent.objects.filter(action="agent.session.stopped")
    assert [(event.actor, event.subject_sub) for event in events] == [("Alice", "charlie")] * 2


def test_what_is_over_is_left_alone(admin: Client, concierge: Agent, charlie: User) -> None:
    session = make_session(concierge, charlie.subject, **over())

    page = act(admin, session, confirmed="yes").content.decode()

    assert "None of them goes on any more." in page
    session.refresh_from_db()
    assert session.ended_at is None


def test_who_may_only_look_stops_nothing(looker: Client, concierge: Agent, charlie: User) -> None:
    session = make_session(concierge, charlie.subject)
    assert session.session_id in listed(looker)

    act(looker, session, confirmed="yes")

    session.refresh_from_db()
    assert session.ended_at is None
    assert not AuditEvent.objects.filter(action="agent.session.stopped").exists()


def test_the_permission_to_stop_is_one_of_its_own(
    bob: User, concierge: Agent, charlie: User
) -> None:
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(
        Permission.objects.filter(codename__in=["view_runtimesession", "stop_runtimesession"])
    )
    session = make_session(concierge, charlie.subject)

    act(signed_in(bob), session, confirmed="yes")

    session.refresh_from_db()
    assert session.ended_by == "Bob"


def test_a_session_is_looked_at_and_neither_added_changed_nor_deleted(
    admin: Client, concierge: Agent, charlie: User
) -> None:
    session = make_session(concierge, charlie.subject)
    page = admin.get(reverse("admin:agents_runtimesession_change", args=[session.pk]))
    assert session.session_id in page.content.decode()
    assert "Charlie" in page.content.decode()

    assert admin.get(reverse("admin:agents_runtimesession_add")).status_code == 403
    delete = reverse("admin:agents_runtimesession_delete", args=[session.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 403
    assert RuntimeSession.objects.filter(pk=session.pk).exists()


def test_sessions_go_with_their_agent(concierge: Agent, charlie: User) -> None:
    make_session(concierge, charlie.subject)
    kept = make_session(make_agent("other"), charlie.subject)

    services.agent_delete(agent=concierge, actor=ADMIN)

    assert list(RuntimeSession.objects.all()) == [kept]
