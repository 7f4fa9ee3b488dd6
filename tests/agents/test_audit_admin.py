"""The audit trail on the admin site, as whoever reviews it reads it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from core import audit, reference
from core.audit import Event
from core.audit_words import in_words
from core.models import AuditEvent, User
from core.subject import Subject
from tests.agents.conftest import make_agent

pytestmark = pytest.mark.django_db

TRAIL = reverse("admin:core_auditevent_changelist")


def listed(admin: Client, **query: str) -> list[str]:
    """Return the actions that the page lists, newest first."""
    response = admin.get(TRAIL, query)
    assert response.status_code == 200
    return [event.action for event in response.context["cl"].result_list]


@pytest.fixture
def trail(admin: Client, bob: User, concierge: Agent) -> None:
    """Three events of one request, about bob and the concierge, and one of somebody else."""
    User.objects.filter(pk=bob.pk).update(email="bob@work.example", name="Bob Brown")
    Agent.objects.update(display_name="Front desk")
    reference.begin("203.0.113.7")
    whose: dict[str, Any] = {"subject": bob.subject, "workload": concierge.agent_id}
    audit.record(Event("agent.invocation", agent=concierge.agent_id, **whose))
    audit.record(
        Event("vault.token.refused", "refused", "consent_denied", provider="acme", **whose)
    )
    audit.record(Event("vault.refresh", "failed", "invalid_grant", provider="acme", **whose))
    reference.begin()
    audit.record(Event("person.signed_in", subject=Subject("https://idp.example", "carol")))


@pytest.mark.usefixtures("trail")
def test_it_is_told_in_words_to_the_second_and_by_name(admin: Client) -> None:
    event = AuditEvent.objects.get(action="vault.token.refused")

    page = admin.get(TRAIL).content.decode()

    assert f"{event.at:%Y-%m-%d %H:%M:%S}" in page
    for words in (
        "Token for the provider",
        "vault.token.refused",
        "consent_denied",
        "Bob Brown",
        "the person said no",
    ):
        assert words in page
    assert '<span class="chip chip-warning">refused</span>' in page
    assert "Front desk" in page
    assert event.reference in page


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bob", 3),
        ("Bob Brown", 3),
        ("bob@work.example", 3),
        ('"Bob Brown"', 3),
        ("front desk", 5),  # its registration too
        ("concierge", 5),
        ("bob refused", 1),
        ("bob signed_in", 0),
        ("acme", 2),
        ("invalid_grant", 1),
        ("203.0.113.7", 3),
        ("carol", 1),
        ("nobody", 0),
        ('"bob', 0),  # one quote is text
        ("'bob", 0),
        ('"', 0),
        ("bob\"'", 0),
        (" ".join(["bob"] * 8 + ["nobody"]), 3),
        (" " * 197 + "bob nobody", 3),
    ],
)
def test_it_is_searched_by_the_names_that_an_admin_knows(
    admin: Client, asked: str, found: int
) -> None:
    assert len(listed(admin, q=asked)) == found


def test_a_search_grows_by_the_same_for_each_word(rf: RequestFactory) -> None:
    page = site.get_model_admin(AuditEvent)

    def asked(words: int) -> int:
        found, _distinct = page.get_search_results(
            rf.get(TRAIL), AuditEvent.objects.all(), " ".join(["bob"] * words)
        )
        return len(str(found.query))

    sizes = [asked(words) for words in range(10)]

    steps = [after - before for before, after in pairwise(sizes)]
    assert max(steps[2:8]) - min(steps[2:8]) < 50
    assert steps[8] == 0


@pytest.mark.usefixtures("trail")
def test_a_reference_leads_to_everything_that_happened_under_it(admin: Client) -> None:
    event = AuditEvent.objects.get(action="vault.refresh")
    url = reverse("admin:core_auditevent_changelist", query={"q": event.reference})

    assert f'href="{url}"' in admin.get(TRAIL).content.decode()
    assert listed(admin, q=event.reference) == [
        "vault.refresh",
        "vault.token.refused",
        "agent.invocation",
    ]


@pytest.mark.usefixtures("trail")
def test_a_calls_reference_leads_to_what_the_agent_asked_meanwhile(admin: Client) -> None:
    call = AuditEvent.objects.get(action="agent.invocation")
    reference.begin()
    with reference.during(call.reference):
        audit.record(Event("vault.token.released"))

    assert listed(admin, q=call.reference)[0] == "vault.token.released"
    assert "agent.invocation" in listed(admin, q=call.reference)
    asked = AuditEvent.objects.get(action="vault.token.released")
    for page in (TRAIL, reverse("admin:core_auditevent_change", args=[asked.pk])):
        assert f"?q={call.reference}" in admin.get(page, {"action": asked.action}).content.decode()


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"action": "vault.refresh"}, ["vault.refresh"]),
        ({"outcome__exact": "failed"}, ["vault.refresh"]),
        ({"provider": "acme", "outcome__exact": "refused"}, ["vault.token.refused"]),
        ({"within": "hour", "provider": "acme"}, ["vault.refresh", "vault.token.refused"]),
        ({"agent": "another"}, []),
        ({"reason": "invalid_grant"}, ["vault.refresh"]),
        ({"reason": "invalid_grant", "outcome__exact": "refused"}, []),
        (
            {"person": "https://idp.example bob"},
            ["vault.refresh", "vault.token.refused", "agent.invocation"],
        ),
        ({"person": "https://idp.example bob", "q": "denied"}, ["vault.token.refused"]),
        ({"person": "https://other.example bob"}, []),
        ({"person": "https://idp.example carol"}, ["person.signed_in"]),
        ({"since": "2000-01-01T00:00", "reason": "invalid_grant"}, ["vault.refresh"]),
        ({"until": "2000-01-01T00:00"}, []),
        ({"since": "2999-01-01T00:00"}, []),
    ],
)
def test_it_is_filtered(admin: Client, chosen: dict[str, str], found: list[str]) -> None:
    assert listed(admin, **chosen) == found


@pytest.mark.usefixtures("trail")
def test_two_times_are_chosen_together_with_everything_else(admin: Client) -> None:
    AuditEvent.objects.create(at=datetime(2020, 5, 1, 12, tzinfo=UTC), action="a", outcome="failed")
    span = {"since": "2020-05-01T12:00", "until": "2020-05-01T12:01"}

    assert listed(admin, **span, outcome__exact="failed") == ["a"]
    assert listed(admin, **span, outcome__exact="refused") == []
    assert listed(admin, since="2020-05-01T11:00", until=span["since"]) == []
    page = admin.get(TRAIL, {**span, "outcome__exact": "failed", "q": "a", "p": "1"}).content
    form = page.decode().partition('class="filter-times"')[2].partition("</form>")[0]
    assert 'name="since" value="2020-05-01T12:00"' in form
    assert '<input type="hidden" name="outcome__exact" value="failed">' in form
    assert '<input type="hidden" name="q" value="a">' in form
    assert 'name="p"' not in form


@pytest.mark.parametrize("typed", ["yesterday", "2020-13-01T00:00", "2020-01-01", "\t"])
def test_a_time_that_is_none_leads_back_to_the_list(admin: Client, typed: str) -> None:
    answer = admin.get(TRAIL, {"since": typed})

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{TRAIL}?e=1")


@pytest.mark.usefixtures("trail")
def test_people_and_reasons_are_offered_by_what_they_are_called(admin: Client) -> None:
    page = admin.get(TRAIL).content.decode()

    assert ">Bob Brown</a>" in page
    assert ">carol</a>" in page
    assert "the person said no (consent_denied)</a>" in page


@pytest.mark.usefixtures("trail")
def test_filters_offer_what_occurred_by_the_names_that_people_know(
    admin: Client, concierge: Agent
) -> None:
    page = admin.get(TRAIL).content.decode()

    assert f"Front desk ({concierge.agent_id})" in page
    assert "Sign-in (person.signed_in)" in page
    assert listed(admin, agent=concierge.agent_id) == ["agent.invocation", "admin.agent.registered"]


@pytest.mark.usefixtures("trail")
def test_what_is_older_than_the_period_is_left_out(admin: Client) -> None:
    old = {"at": timezone.now() - timedelta(hours=2), "action": "person.signed_in"}
    AuditEvent.objects.create(**old, outcome="allowed")

    assert listed(admin, within="hour", action="person.signed_in") == ["person.signed_in"]
    assert len(listed(admin, within="day", action="person.signed_in")) == 2


def test_a_search_that_finds_nothing_leads_back(admin: Client) -> None:
    page = admin.get(TRAIL, {"q": "nothing of the kind"}).content.decode()

    assert "Nothing fits this search." in page
    assert "stands in the site&#x27;s log" in page
    assert '<a href="?">Show all</a>' in page
    assert "Nothing is on record yet." in admin.get(TRAIL).content.decode()


@pytest.mark.usefixtures("trail")
def test_an_event_is_shown_whole_and_nothing_of_it_is_changed_or_deleted(admin: Client) -> None:
    audit.record(Event("admin.provider.changed", actor="Alice", detail={"client_id": "<b>daiko"}))
    event = AuditEvent.objects.latest("pk")
    url = reverse("admin:core_auditevent_change", args=[event.pk])

    page = admin.get(url).content.decode()

    assert "&quot;client_id&quot;: &quot;&lt;b&gt;daiko&quot;" in page
    assert "_save" not in page
    assert admin.post(url, {"action": "another"}).status_code == 403
    deleting = reverse("admin:core_auditevent_delete", args=[event.pk])
    assert admin.post(deleting, {"post": "yes"}).status_code == 403
    assert admin.post(reverse("admin:core_auditevent_add"), {}).status_code == 403
    assert AuditEvent.objects.filter(pk=event.pk).exists()


def test_whom_an_operator_names_is_not_taken_for_a_person(admin: Client) -> None:
    audit.record(Event("workload.token.issued", subject=Subject.opaque("bob")))

    assert "“bob”, as an operator names them" in admin.get(TRAIL).content.decode()


def test_who_did_it_is_told_beside_whom_it_concerns(admin: Client, bob: User) -> None:
    audit.record(Event("vault.grant.revoked", subject=bob.subject, actor="Alice"))

    page = admin.get(TRAIL).content.decode()

    assert 'Bob <span class="below">by Alice</span>' in page


def test_events_of_an_access_key_and_of_who_opened_a_link_are_found(
    admin: Client, bob: User
) -> None:
    tried = {"access_key_id": "AKIA" + "B" * 16}
    opened = {"by": {"iss": "https://idp.example", "sub": "7f3a"}}
    audit.record(Event("wire.call", "refused", "key_disabled", detail=tried))
    audit.record(Event("vault.consent.refused", subject=bob.subject, actor="Eve", detail=opened))

    assert listed(admin, q="AKIA" + "B" * 16) == ["wire.call"]
    assert listed(admin, q="eve") == listed(admin, q="7f3a") == ["vault.consent.refused"]


def test_the_page_asks_no_more_the_more_events_there_are(
    admin: Client, bob: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        audit.record(Event("agent.invocation", subject=bob.subject, agent="a"))

    with django_assert_max_num_queries(18):
        assert len(listed(admin)) == 30


def test_an_action_without_words_is_called_by_its_name() -> None:
    assert in_words("something.new") == "something.new"


def test_a_call_through_other_agents_shows_the_whole_way(
    admin: Client, bob: User, concierge: Agent
) -> None:
    calendar = make_agent("calendar", display_name="Calendar <b>")
    planner = make_agent("planner", display_name="Planner")
    chain = (planner.agent_id, concierge.agent_id, "gone-0123456789")
    with reference.during("f" * 20, chain):
        audit.record(Event("agent.invocation", subject=bob.subject, agent=calendar.agent_id))
    event = AuditEvent.objects.get(action="agent.invocation")

    way = "Bob → gone-0123456789 → Concierge → Planner → Calendar &lt;b&gt;"
    assert way in admin.get(TRAIL).content.decode()
    url = reverse("admin:core_auditevent_change", args=[event.pk])
    assert way in admin.get(url).content.decode()
    assert "agent.invocation" in listed(admin, q=planner.agent_id)
    assert "agent.invocation" in listed(admin, q="f" * 20)


def test_on_whose_behalf_is_drawn_as_steps_that_lead_to_what_else_each_did(
    admin: Client, bob: User, concierge: Agent
) -> None:
    planner = make_agent("planner", display_name="Planner <i>")
    with reference.during("f" * 20, (planner.agent_id,)):
        audit.record(
            Event(
                "vault.token.released",
                subject=bob.subject,
                agent=concierge.agent_id,
                provider="acme",
            )
        )
    event = AuditEvent.objects.get(action="vault.token.released")
    page = admin.get(reverse("admin:core_auditevent_change", args=[event.pk])).content.decode()

    picture = page.partition('<ol class="chain"')[2].partition("</ol>")[0]
    assert 'aria-label="Bob → Planner &lt;i&gt; → Concierge → acme"' in picture
    steps = re.findall(r'<span>(\w+)</span> <a href="([^"]+)">([^<]+)</a>', picture)
    assert [(kind, name) for kind, _url, name in steps] == [
        ("Person", "Bob"),
        ("Agent", "Planner &lt;i&gt;"),
        ("Agent", "Concierge"),
        ("Service", "acme"),
    ]
    for _kind, url, _name in steps:
        assert admin.get(unescape(url)).status_code == 200
    person = admin.get(unescape(steps[0][1])).context["cl"].result_list
    assert [one.pk for one in person] == [event.pk]


def test_what_nobody_stands_between_is_not_drawn(admin: Client, bob: User) -> None:
    audit.record(Event("person.signed_in", subject=bob.subject))
    event = AuditEvent.objects.get(action="person.signed_in")

    page = admin.get(reverse("admin:core_auditevent_change", args=[event.pk])).content.decode()

    assert 'class="chain"' not in page


def test_the_ways_of_a_list_cost_no_queries_of_their_own(admin: Client, concierge: Agent) -> None:
    def queries(calls: int) -> int:
        for _ in range(calls):
            with reference.during("f" * 20, (concierge.agent_id,)):
                audit.record(Event("agent.invocation", agent="calendar-0123456789"))
        with CaptureQueriesContext(connection) as captured:
            admin.get(TRAIL)
        return len(captured)

    admin.get(TRAIL)  # what is asked once in a while is asked now
    assert queries(1) == queries(20)
