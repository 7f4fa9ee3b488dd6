"""Runtime sessions over the site's own API: a person's own, and by an operator's key all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents.models import Agent
from agents.sessions.owners import OPERATORS
from core.models import AuditEvent, User
from core.subject import Subject
from tests.agents.conftest import make_agent, person, signed_in
from tests.agents.sessions.rows import make_session
from tests.portal.site import Site, running_site
from tests.vault.test_grants_api import Key, told

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/sessions"


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@pytest.fixture
def alice() -> User:
    return person("alice")


@pytest.fixture
def bob() -> User:
    return person("bob")


@pytest.fixture
def concierge(settings: Settings) -> Agent:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    return make_agent()


def over(how: str) -> dict[str, Any]:
    now = timezone.now()
    if how == "stopped":
        return {"ended_at": now, "ended_by": "an admin"}
    return {"expires_at": now - timedelta(seconds=1)}


def test_a_person_sees_their_own_and_no_others(concierge: Agent, alice: User, bob: User) -> None:
    session = make_session(concierge, alice.subject)
    for other in (bob.subject, Subject.opaque("alice"), Subject("https://o.example", "alice")):
        make_session(concierge, other)

    answer = signed_in(alice).get(API).json()

    (one,) = answer["sessions"]
    assert answer["next"] is None
    times = {name: one.pop(name) for name in ("started_at", "last_used_at", "expires_at")}
    assert all(times.values())
    assert one == {
        "id": session.pk,
        "session_id": session.session_id,
        "agent": concierge.agent_id,
        "agent_name": "Concierge",
        "endpoint": "DEFAULT",
        "user": {"iss": alice.iss, "sub": "alice"},
        "workload_identity": None,
        "state": "live",
        "stopped_at": None,
    }


def test_a_person_does_not_ask_for_others(concierge: Agent, alice: User, bob: User) -> None:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    make_session(concierge, bob.subject)

    answer = signed_in(alice).get(API, {"user_iss": bob.iss, "user_sub": "bob"})

    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert signed_in(alice).get(API).json()["sessions"] == []


def test_a_person_stops_their_own_on_record(concierge: Agent, alice: User) -> None:
    session = make_session(concierge, alice.subject)

    answer = signed_in(alice).delete(f"{API}/{session.pk}")

    assert answer.json() == {"id": session.pk, "stopped": True}
    session.refresh_from_db()
    assert (session.ended_at is not None, session.ended_by) == (True, "Alice")
    event = AuditEvent.objects.get(action="agent.session.stopped")
    assert (event.agent, event.subject_sub, event.actor) == (concierge.agent_id, "alice", "Alice")
    assert signed_in(alice).delete(f"{API}/{session.pk}").json()["stopped"] is False


def test_a_person_stops_nobody_elses(concierge: Agent, alice: User, bob: User) -> None:
    session = make_session(concierge, bob.subject)

    answer = signed_in(alice).delete(f"{API}/{session.pk}")
    not_there = signed_in(alice).delete(f"{API}/{session.pk + 1}")

    assert (answer.status_code, answer.json()["error"]) == (404, "session_not_found")
    assert answer.json() == not_there.json()
    session.refresh_from_db()
    assert session.ended_at is None
    assert not AuditEvent.objects.filter(action="agent.session.stopped").exists()


def test_nobody_in_particular_sees_and_stops_nothing(concierge: Agent, alice: User) -> None:
    session = make_session(concierge, alice.subject)

    assert Client().get(API).status_code == 401
    assert Client().delete(f"{API}/{session.pk}").status_code == 401
    session.refresh_from_db()
    assert session.ended_at is None


def test_a_page_of_another_site_stops_nothing(concierge: Agent, alice: User) -> None:
    session = make_session(concierge, alice.subject)
    browser = signed_in(alice)
    forged = Client(enforce_csrf_checks=True)
    forged.cookies = browser.cookies

    assert forged.delete(f"{API}/{session.pk}").status_code == 403
    session.refresh_from_db()
    assert session.ended_at is None


def test_an_operator_sees_everybodys_and_stops_any(
    site: Site, concierge: Agent, alice: User, bob: User
) -> None:
    theirs = [make_session(concierge, user.subject) for user in (alice, bob)]
    make_session(concierge, Subject.of_workload(concierge.agent_id))
    make_session(concierge, OPERATORS)
    key = Key(site)

    listed = told(key.ask(path=API))["sessions"]

    assert [one["user"] and one["user"]["sub"] for one in listed] == [None, None, "bob", "alice"]
    assert [one["workload_identity"] for one in listed] == [None, concierge.agent_id, None, None]
    stopped = told(key.ask("DELETE", f"{API}/{theirs[1].pk}"))
    assert stopped == {"id": theirs[1].pk, "stopped": True}
    event = AuditEvent.objects.get(action="agent.session.stopped")
    assert (event.subject_sub, event.client) == ("bob", key.key.access_key_id)


@pytest.mark.parametrize("state", ["live", "stopped", "expired"])
def test_an_operator_asks_for_a_person_an_agent_and_a_state(
    site: Site, concierge: Agent, alice: User, bob: User, state: str
) -> None:
    other = make_agent("other")
    meant = {}
    for agent, owner in ((concierge, alice), (concierge, bob), (other, alice)):
        for how in ("live", "stopped", "expired"):
            about = {} if how == "live" else over(how)
            made = make_session(agent, owner.subject, **about)
            meant[agent, owner, how] = made.pk

    found = told(
        Key(site).ask(
            path=API, agent=concierge.agent_id, state=state, user_iss=alice.iss, user_sub="alice"
        )
    )

    assert [one["id"] for one in found["sessions"]] == [meant[concierge, alice, state]]
    assert found["sessions"][0]["state"] == state


def test_pages_follow_one_another_the_newest_first(
    site: Site, concierge: Agent, alice: User
) -> None:
    made = [make_session(concierge, alice.subject).pk for _ in range(5)]
    key, seen = Key(site), []
    asked: dict[str, Any] = {}

    while True:
        page = told(key.ask(path=API, limit=2, **asked))
        seen += [one["id"] for one in page["sessions"]]
        if page["next"] is None:
            break
        asked = {"before": page["next"]}

    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"user_sub": "alice"},
        {"limit": 0},
        {"limit": 101},
        {"before": 0},
        {"before": 1 << 63},
        {"state": "asleep"},
        {"colour": "red"},
    ],
)
def test_parameters_that_would_count_for_nothing_are_refused(
    site: Site, query: dict[str, Any]
) -> None:
    assert Key(site).ask(path=API, **query).status == 400


@pytest.mark.parametrize(
    ("operations", "method"), [(["StopRuntimeSession"], "GET"), (["ListSessions"], "DELETE")]
)
def test_a_key_that_is_limited_to_something_else_is_refused(
    site: Site, concierge: Agent, alice: User, operations: list[str], method: str
) -> None:
    session = make_session(concierge, alice.subject)
    path = API if method == "GET" else f"{API}/{session.pk}"

    assert Key(site, operations=operations).ask(method, path).status == 403

    session.refresh_from_db()
    assert session.ended_at is None


def test_an_agents_key_is_refused(site: Site, concierge: Agent) -> None:
    own = make_session(concierge, Subject.of_workload(concierge.agent_id))
    key = Key(site, concierge.workload_identity)

    assert key.ask(path=API).status == 403
    assert key.ask("DELETE", f"{API}/{own.pk}").status == 403
    own.refresh_from_db()
    assert own.ended_at is None
