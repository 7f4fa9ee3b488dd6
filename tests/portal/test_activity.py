"""What a person's agents did on their behalf, as a page: their own part of the trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from core.audit import Actor, Event, record
from core.audit_words import in_words
from core.models import AuditEvent
from core.subject import Subject
from portal import activity
from portal.activity import ACTIONS, PAGE, events_of
from tests.portal.conftest import MakePerson, Person
from tests.portal.holding import calendar, connected
from vault.ending.revocations import grant_revoke

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/connections/activity/"


def text_of(person: Person, query: dict[str, str] | None = None) -> str:
    answer = person.browser.get(PATH, query or {})
    assert answer.status_code == 200
    return str(answer.content.decode())


def deeds_of(person: Person, query: dict[str, str] | None = None) -> list[Any]:
    return list(person.browser.get(PATH, query or {}).context["deeds"])


def said_to(person: Person, query: dict[str, str] | None = None) -> list[str]:
    return [str(deed.what) for deed in deeds_of(person, query)]


def released(subject: Subject, agent: Agent, **detail: Any) -> None:
    record(
        Event(
            "vault.token.released",
            subject=subject,
            agent=agent.agent_id,
            provider="acme",
            client="AKIA-SOMEBODYS-KEY",
            detail={"scopes": ["calendar.read"], "session": "chat-session-secret", **detail},
        )
    )


def test_it_tells_in_words_what_an_agent_got_and_through_whom(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    calendar()
    released(bob.user.subject, agent, chain=["planner-0123456789"])

    [deed, signed_in] = deeds_of(bob)

    assert (str(deed.what), deed.agent, deed.provider) == (
        "Helper got a token for Acme Calendar",
        "Helper",
        "Acme Calendar",
    )
    assert [scope.words for scope in deed.scopes] == ["See your calendar"]
    assert deed.through == ["planner-0123456789"]
    assert str(signed_in.what) == "You signed in"
    page = text_of(bob)
    assert "called through planner-0123456789" in page
    assert "See your calendar" in page


def test_nobody_sees_what_is_somebody_elses_even_of_the_same_name_elsewhere(
    agent: Agent, person: MakePerson
) -> None:
    alice, bob = person("alice"), person("bob")
    calendar()
    released(alice.user.subject, agent)
    released(Subject("https://another.example", "bob"), agent)
    released(Subject(bob.user.iss, "BOB"), agent)

    assert said_to(bob) == ["You signed in"]
    assert "Helper got a token for Acme Calendar" in said_to(alice)
    assert bob.browser.get(PATH, {"agent": agent.agent_id}).context["deeds"] == []
    assert bob.browser.get(PATH).context["choices"].agents == []


def test_what_is_for_admins_stays_with_them(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    calendar()
    released(bob.user.subject, agent)
    AuditEvent.objects.bulk_create(
        [
            AuditEvent(
                at=timezone.now(),
                action="agent.invocation",
                outcome="refused",
                reason="policy_denied",
                subject_iss=bob.user.iss,
                subject_sub="bob",
                agent=agent.agent_id,
                client="a-client-of-somebody",
                client_ip="203.0.113.77",
                reference="the-reference-0001",
                detail={"policy_of": "arn:of:a:resource"},
            )
        ]
    )

    page = text_of(bob)

    assert "Refused" in page
    for kept in ("203.0.113.77", "AKIA-", "a-client-of", "arn:of:a", "session-secret"):
        assert kept not in page


def test_what_somebody_does_as_an_admin_is_not_what_their_agents_did(
    agent: Agent, person: MakePerson
) -> None:
    alice = person("alice")
    record(
        Event(
            "admin.person.disabled",
            subject=alice.user.subject,
            actor="Alice",
            detail={"iss": alice.user.iss, "sub": "charlie"},
        )
    )

    assert said_to(alice) == ["You signed in"]
    assert "charlie" not in text_of(alice)


def test_who_ended_a_connection_is_told_and_an_admins_name_is_not(
    agent: Agent, person: MakePerson
) -> None:
    bob, acme = person("bob"), calendar()
    grant_revoke(
        grant=connected(bob.user, agent, acme),
        actor=Actor("Alice Ames", Subject(bob.user.iss, "alice")),
    )
    grant_revoke(grant=connected(bob.user, agent, acme), actor=Actor("AKIA-A-KEY"))
    grant_revoke(grant=connected(bob.user, agent, acme), actor=Actor.person(bob.user))

    told = [
        str(deed.what)
        for deed in deeds_of(bob, {"kind": "ends"})
        if deed.action == "vault.grant.revoked"
    ]

    by_others = ["An administrator disconnected Acme Calendar from Helper"] * 2
    assert told == ["You disconnected Acme Calendar from Helper", *by_others]
    page = text_of(bob)
    assert "Alice" not in page
    assert "AKIA" not in page


def test_somebody_else_with_ones_consent_link_is_told_of_and_not_named(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    record(
        Event(
            "vault.consent.refused",
            outcome="refused",
            reason="wrong_person",
            subject=bob.user.subject,
            actor="Mallory Moe",
            agent=agent.agent_id,
            detail={"by": {"iss": bob.user.iss, "sub": "mallory"}},
        )
    )

    page = text_of(bob)

    assert "An answer to what Helper asked you was not taken" in page
    assert "Refused" in page
    assert "allory" not in page


def test_it_is_narrowed_by_agent_service_and_kind(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    calendar()
    released(bob.user.subject, agent)
    record(Event("agent.invocation", subject=bob.user.subject, agent="planner-0123456789"))

    assert said_to(bob, {"agent": agent.agent_id}) == ["Helper got a token for Acme Calendar"]
    assert said_to(bob, {"provider": "acme"}) == ["Helper got a token for Acme Calendar"]
    assert said_to(bob, {"kind": "signins"}) == ["You signed in"]
    assert said_to(bob, {"kind": "calls"}) == ["planner-0123456789 was called on your behalf"]
    assert said_to(bob, {"kind": "signins", "provider": "acme"}) == []
    offered = bob.browser.get(PATH).context["choices"]
    assert offered.agents == [(agent.agent_id, "Helper"), ("planner-0123456789",) * 2]
    assert offered.providers == [("acme", "Acme Calendar")]


def test_pages_follow_on_each_other_whatever_happens_meanwhile(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=at + timedelta(seconds=number // 3),  # several at the same moment
            action="agent.invocation",
            outcome="allowed",
            subject_iss=bob.user.iss,
            subject_sub="bob",
            agent=f"agent-{number}",
        )
        for number in range(2 * PAGE + 7)
    )
    seen, query = list[str](), "kind=calls"
    while query:
        answer = bob.browser.get(f"{PATH}?{query}")
        assert len(answer.context["deeds"]) <= PAGE
        seen += [deed.agent for deed in answer.context["deeds"]]
        query = answer.context["older"]
        record(Event("agent.invocation", subject=bob.user.subject, agent="meanwhile"))

    assert seen == [f"agent-{number}" for number in reversed(range(2 * PAGE + 7))]


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "admin"},
        {"before": "x"},
        {"before": "2026-01-01T00:00:00~1"},
        {"before": "2026-01-01T00:00:00+00:00~"},
        {"before": "2026-13-01T00:00:00+00:00~1"},
    ],
)
def test_what_is_no_page_is_not_found(query: dict[str, str], person: MakePerson) -> None:
    assert person("bob").browser.get(PATH, query).status_code == 404


def test_a_stranger_is_told_nothing(provider: Any, visitor: Client) -> None:
    answer = visitor.get(PATH)

    assert (answer.status_code, answer["Location"]) == (302, f"/oidc/authenticate/?next={PATH}")


def test_pages_and_the_menu_lead_there(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")

    assert bob.browser.get("/connections/").content.decode().count(f'href="{PATH}"') == 2
    assert f'href="{PATH}" aria-current="page"' in text_of(bob)


def test_every_action_of_the_page_is_called_something() -> None:
    assert [action for action in ACTIONS if in_words(action) == action] == []
    sentences = (activity._SENTENCES, activity._OTHERWISE, activity._BY_AN_ADMIN)
    assert {action for each in sentences for action in each} == ACTIONS


def test_what_one_did_oneself_is_no_trouble_and_what_went_wrong_is(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    calendar()
    whose: dict[str, Any] = {
        "subject": bob.user.subject,
        "agent": agent.agent_id,
        "provider": "acme",
    }
    record(Event("vault.consent.denied", **whose))
    record(Event("vault.token.refused", outcome="refused", reason="consent_denied", **whose))
    record(Event("vault.consent.expired", outcome="failed", reason="expired", **whose))

    told = [(str(deed.what), deed.trouble) for deed in deeds_of(bob, {"agent": agent.agent_id})]

    assert told == [
        ("You did not answer in time whether Helper may use Acme Calendar", ""),
        ("Helper got no token for Acme Calendar", "refused"),
        ("You did not let Helper use Acme Calendar", ""),
    ]


def test_what_happened_several_times_at_once_stands_there_once(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=at + timedelta(seconds=seconds),
            action=action,
            outcome="allowed",
            subject_iss=bob.user.iss,
            subject_sub="bob",
            agent=agent.agent_id,
        )
        for seconds, action in [
            (0, "agent.invocation"),
            (100, "agent.invocation"),
            (101, "agent.invocation"),
            (102, "workload.token.issued"),
            (103, "agent.invocation"),
        ]
    )

    told = [(deed.action, deed.times) for deed in deeds_of(bob, {"agent": agent.agent_id})]

    assert told == [
        ("agent.invocation", 1),
        ("workload.token.issued", 1),
        ("agent.invocation", 2),
        ("agent.invocation", 1),
    ]
    assert "2 times" in text_of(bob)


def test_a_long_trail_is_entered_at_the_person(person: MakePerson) -> None:
    bob = person("bob")
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=timezone.now(),
            action="agent.invocation",
            outcome="allowed",
            subject_iss=bob.user.iss,
            subject_sub=f"person-{number % 100}",
        )
        for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE core_auditevent")

    plan = events_of(Subject(bob.user.iss, "person-7"))[: PAGE + 1].explain()

    assert "core_audit_by_subject" in plan
    assert "Seq Scan" not in plan
