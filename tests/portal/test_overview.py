"""The admin site's first page: what it tells, to whom, where it leads, and what that costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from time_machine import TimeMachineFixture

from agents.models import Agent
from core import figures
from core.figures import Window
from core.models import AuditEvent, Role, User
from portal.overview import Overview, overview_for
from tests.agents.conftest import make_agent, person, signed_in
from tests.portal.holding import calendar, connected
from vault.models import Grant

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_noon(time_machine: TimeMachineFixture, settings: Settings) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def admin(_at_noon: None) -> Client:
    alice = person("alice")
    alice.is_staff = alice.is_superuser = True
    alice.save()
    return signed_in(alice)


@pytest.fixture
def bob() -> User:
    return person("bob")


@pytest.fixture
def concierge() -> Agent:
    return make_agent()


def happened(
    action: str,
    outcome: str = "allowed",
    *,
    ago: timedelta = timedelta(),
    times: int = 1,
    **more: Any,
) -> None:
    events = [
        AuditEvent(at=NOON - ago, action=action, outcome=outcome, **more) for _ in range(times)
    ]
    AuditEvent.objects.bulk_create(events)


def called(agent: str, *durations_ms: int) -> None:
    for ms in durations_ms:
        happened("agent.invocation.ended", agent=agent, detail={"duration_ms": ms})


def grant_of(user: User, agent: Agent, *, provider: str = "acme", **about: Any) -> Grant:
    return connected(user, agent, calendar(provider), **about)


def shown(client: Client, span: str = "day") -> tuple[Overview, str]:
    answer = client.get(INDEX, {"span": span})
    assert answer.status_code == 200
    return overview_for(answer.wsgi_request.user, span=span, at=NOON), answer.content.decode()


def numbers(told: Overview) -> dict[str, str]:
    return {str(number.words): number.said for number in told.now}


def test_it_counts_by_the_hour_and_by_the_day(admin: Client) -> None:
    happened("person.signed_in", times=2)
    happened("person.signed_in", ago=timedelta(hours=3))
    happened("person.signed_in", ago=timedelta(hours=30))
    happened("person.signed_in", ago=timedelta(days=10))
    happened("person.signed_in", ago=timedelta(days=40))

    for span, columns, total in (("day", 24, "3"), ("week", 7, "4"), ("month", 30, "5")):
        told, page = shown(admin, span)
        sign_ins = told.plots[0]
        assert len(sign_ins.rows) == columns
        assert sign_ins.total.said == total
        assert page.count('role="img"') == 3
    assert overview_for(User.objects.get(sub="alice"), span="year", at=NOON).span.name == "day"


def test_a_number_leads_to_the_events_that_it_counted(admin: Client, concierge: Agent) -> None:
    happened("agent.invocation", times=3, agent=concierge.agent_id)
    happened("agent.invocation", "refused", reason="scope_mismatch", agent=concierge.agent_id)
    happened("agent.invocation", "refused", reason="expired", ago=timedelta(hours=2))
    happened("vault.refresh", "failed", reason="invalid_grant")
    happened("vault.refresh", times=3)
    called(concierge.agent_id, 10, 20)

    told, _page = shown(admin)

    plots = {str(plot.title): plot for plot in told.plots}
    leading = [
        *((plot.total.said, plot.total.url) for plot in told.plots),
        *((row.said, row.url) for plot in told.plots for row in plot.rows),
        *((row.cells[0], row.url) for row in told.reasons or []),
        *((row.cells[2], row.url) for row in told.slow or []),
    ]
    assert plots["Calls to agents"].total.said == "5"
    assert plots["Refusals"].total.said == "2"
    for said, url in leading:
        assert admin.get(url).context["cl"].result_count == int(said), url
    (refreshes,) = [one for one in told.now if one.words == "Refreshes that worked"]
    assert refreshes.said == "75.0%"
    assert admin.get(refreshes.url).context["cl"].result_count == 1


def test_reasons_are_told_in_words_the_most_frequent_first(admin: Client) -> None:
    happened("agent.invocation", "refused", reason="scope_mismatch")
    happened("wire.call", "refused", reason="signature_expired", times=2)

    told, page = shown(admin)

    assert [row.code for row in told.reasons or []] == ["signature_expired", "scope_mismatch"]
    assert "signed too long ago; look at both clocks" in page


def test_the_slowest_agent_stands_first_by_its_name(admin: Client, concierge: Agent) -> None:
    called("quick-0123456789", *([10] * 10))
    called(concierge.agent_id, *([100] * 8), 4000, 4000)

    told, page = shown(admin)

    slow, quick = told.slow or []
    cells = [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in (*slow.cells, *quick.cells)]
    assert (slow.words, cells[:3]) == ("Concierge", ["100 ms", "4.00 s", "10"])
    assert (quick.words, cells[3]) == ("quick-0123456789", "10 ms")
    assert "Slowest tenth" in page


def test_grants_are_counted_by_state_and_by_what_is_due(
    admin: Client, bob: User, concierge: Agent
) -> None:
    grant_of(bob, concierge, next_refresh_at=NOON + timedelta(minutes=30))
    grant_of(bob, concierge, provider="b", next_refresh_at=NOON - timedelta(minutes=30))
    grant_of(bob, concierge, provider="c", next_refresh_at=NOON + timedelta(hours=3))
    grant_of(bob, concierge, provider="d", state="lapsed")

    told, _page = shown(admin)

    found = numbers(told)
    assert found["Connections that work"] == "3"
    assert found["Need reconnecting"] == "1"
    assert found["Ended connections"] == "0"
    assert found["Refreshes due within the hour"] == "2"
    assert found["Refreshes overdue"] == "1"
    for number in told.now:
        if "grant" in number.url:
            assert admin.get(number.url).context["cl"].result_count == int(number.said)


def test_a_site_without_anything_says_what_to_do_first(admin: Client) -> None:
    told, page = shown(admin)

    assert f'href="{reverse("admin:agents_agent_add")}">Register an agent' in page
    assert f'href="{reverse("admin:vault_credentialprovider_add")}">Add a credential' in page
    assert "Nothing was refused in this time." in page
    assert "Nobody called an agent in this time." in page

    make_agent("planner")
    assert "Register an agent" not in shown(admin)[1]
    assert told.window.until - told.window.since == timedelta(hours=24)


SEEN = {
    "operator": {"agents", "grants", "trail", "steps"},
    "auditor": {"agents", "grants", "trail"},
    "help-desk": {"agents", "grants"},
}


@pytest.mark.parametrize("role", SEEN)
def test_each_role_is_told_what_it_may_look_at_and_no_more(role: str) -> None:
    bob = person("bob")
    bob.is_staff = True
    bob.save()
    bob.roles.set(Role.objects.filter(name=role))
    happened("agent.invocation", "refused", reason="scope_mismatch")

    browser = signed_in(bob)
    told, page = shown(browser)

    seen = {
        "agents": "Agents switched on" in page,
        "grants": "Connections that work" in page,
        "trail": "Why it was refused" in page,
        "steps": "Register an agent" in page,
    }
    assert {name for name, is_seen in seen.items() if is_seen} == SEEN[role]
    assert bool(told.plots) == ("trail" in SEEN[role])
    overview = page[page.index('class="overview"') : page.index('id="content-main"')]
    for url in re.findall(r'href="(/admin/[^"]+)"', overview):
        assert browser.get(unescape(url)).status_code == 200


def test_somebody_who_may_look_at_nothing_is_told_nothing() -> None:
    bob = person("bob")
    bob.is_staff = True
    bob.save()

    _told, page = shown(signed_in(bob))

    assert 'class="number' not in page
    assert "<svg class" not in page.partition('class="overview"')[2]


def test_it_asks_the_same_however_much_there_is(admin: Client, bob: User, concierge: Agent) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(INDEX, {"span": "month"})
        return len(captured)

    def more(*numbers: int) -> None:
        for n in numbers:
            happened("agent.invocation", "refused", reason=f"r{n}", ago=timedelta(hours=n))
            called(f"agent-{n}", 5)
            grant_of(bob, concierge, provider=f"p{n}")

    queries()  # what is asked once in a while is asked now
    more(0)
    few = queries()
    more(*range(1, 13))
    assert queries() == few


_A_YEAR = """
    INSERT INTO core_auditevent (
        at, action, outcome, reason, subject_iss, subject_sub, actor, agent, workload, provider,
        client, reference, detail
    )
    SELECT %s - n * interval '1 hour', 'action-' || mod(n, 40),
        CASE mod(n, 50) WHEN 0 THEN 'refused' ELSE 'allowed' END, '', '', '', '',
        'agent-' || mod(n, 7), '', '', '', '', '{}'
    FROM generate_series(1, 8760) AS n
"""


def test_the_trail_is_counted_from_indexes_and_nothing_is_locked(admin: Client) -> None:
    happened("agent.invocation", times=5)
    happened("wire.call", "refused", reason="expired")
    with connection.cursor() as cursor:
        # A trail as sites have it. Of a few rows PostgreSQL would take any index, or none.
        cursor.execute(_A_YEAR, [NOON])
        cursor.execute("ANALYZE core_auditevent")
    window = Window.ending(timezone.now(), steps=30, step="day")

    with CaptureQueriesContext(connection) as captured:
        figures.counts(window, actions=("agent.invocation",))
        figures.mishaps(window)
        figures.durations(window, action="agent.invocation.ended")

    asked = [q["sql"] for q in captured if q["sql"].lstrip().startswith("SELECT")]
    assert len(asked) == 3
    for sql, index in zip(
        asked, ("core_audit_by_action", "core_audit_mishaps", "core_audit_by_action"), strict=True
    ):
        assert "FOR UPDATE" not in sql
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert index in plan, plan


def test_what_takes_too_long_to_count_is_left_out_and_the_page_comes(
    admin: Client, concierge: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_DURATIONS", "SELECT pg_sleep(2), %s, %s, %s, %s")
    monkeypatch.setattr(figures, "_PATIENCE_MS", 100)

    page = admin.get(INDEX).content.decode()

    assert "could not be counted in a few seconds" in page
    assert "Agents switched on" in page
    assert "How long agents take" not in page


def test_a_sections_own_page_holds_its_lists_alone(admin: Client) -> None:
    page = admin.get(reverse("admin:app_list", args=["agents"])).content.decode()

    assert reverse("admin:agents_agent_changelist") in page
    assert 'class="overview"' not in page


@pytest.mark.parametrize("language", ["en", "ja"])
def test_times_on_an_admins_page_are_those_of_the_log(
    admin: Client, bob: User, language: str
) -> None:
    User.objects.filter(pk=bob.pk).update(date_joined=NOON)
    page = admin.get(
        reverse("admin:core_user_change", args=[bob.pk]), headers={"Accept-Language": language}
    ).content.decode()

    assert "2026-11-20 12:30:00 UTC" in page
