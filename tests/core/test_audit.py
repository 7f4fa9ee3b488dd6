from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import audit, database, reference
from core.audit import Actor, AuditUnavailable, Event
from core.errors import Forbidden
from core.models import AuditEvent, User
from core.subject import Subject
from tests.fixtures.loops import Run

ALICE = Subject("https://idp.example", "alice")


@pytest.mark.django_db
def test_an_event_is_stored_with_the_requests_reference_and_address() -> None:
    begun = reference.begin("203.0.113.7")

    audit.record(Event("vault.token.released", subject=ALICE, agent="a", detail={"n": 1}))

    stored = AuditEvent.objects.get()
    assert (stored.action, stored.outcome) == ("vault.token.released", "allowed")
    assert (stored.subject_iss, stored.subject_sub) == (ALICE.iss, ALICE.sub)
    assert (stored.reference, stored.client_ip) == (begun.id, "203.0.113.7")
    assert (stored.agent, stored.detail) == ("a", {"n": 1})


@pytest.mark.django_db
def test_what_an_agent_asks_during_a_call_names_the_call() -> None:
    begun = reference.begin()
    with reference.during("the-call"):
        audit.record(Event("vault.token.refused", detail={"n": 1}))
    audit.record(Event("agent.invocation"))

    one, other = AuditEvent.objects.order_by("pk")
    assert (one.reference, one.detail) == (begun.id, {"n": 1, "invocation": "the-call"})
    assert (other.reference, other.detail) == (begun.id, {})


@pytest.mark.django_db(transaction=True)
def test_the_event_loops_way_stores_the_same(run: Run[Any]) -> None:
    reference.begin("2001:db8::7")
    event = Event("agent.invocation", "refused", "expired", subject=ALICE, client="c")

    run(audit.arecord(event))
    audit.record(event)

    one, other = (
        {name: value for name, value in vars(stored).items() if name not in {"id", "at", "_state"}}
        for stored in AuditEvent.objects.order_by("pk")
    )
    assert one == other


@pytest.mark.django_db(transaction=True)
def test_it_is_stored_when_the_call_returns(run: Run[Any]) -> None:
    async def work() -> int:
        await audit.arecord(Event("a"))
        return await database.on_thread(lambda _: AuditEvent.objects.count(), None)

    assert run(work()) == 1


def _update() -> None:
    AuditEvent.objects.update(outcome="allowed")


def _save() -> None:
    event = AuditEvent.objects.get()
    event.reason = ""
    event.save()


def _delete() -> None:
    AuditEvent.objects.all().delete()


def _by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_auditevent")


@pytest.mark.django_db
@pytest.mark.parametrize("rewrite", [_update, _save, _delete, _by_hand])
def test_the_database_refuses_to_rewrite_the_trail(rewrite: Any) -> None:
    audit.record(Event("a", "refused", "expired"))

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rewrite()

    assert AuditEvent.objects.get().reason == "expired"


@pytest.mark.django_db
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(
    text=st.text(alphabet=st.characters(), max_size=2000),
    detail=st.dictionaries(
        st.text(alphabet=st.characters(), max_size=5),
        st.text(alphabet=st.characters(), max_size=5) | st.integers() | st.lists(st.text()),
        max_size=3,
    ),
)
def test_nothing_that_a_stranger_sends_keeps_its_refusal_off_the_record(
    text: str, detail: dict[str, Any]
) -> None:
    # st.characters() includes null and halves of surrogate pairs, which no column takes.
    audit.record(
        Event(
            "agent.invocation",
            "refused",
            reason=text,
            subject=Subject(text, text),
            actor=text,
            agent=text,
            workload=text,
            provider=text,
            client=text,
            detail=detail,
        )
    )

    stored = AuditEvent.objects.latest("pk")
    assert stored.outcome == "refused"
    assert len(stored.agent) <= 128


@pytest.mark.django_db
def test_a_trail_that_cannot_be_written_is_said_so_without_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent RENAME TO core_auditevent_away")

    with pytest.raises(AuditUnavailable) as caught, transaction.atomic():
        audit.record(Event("a", detail={"note": "s3cret"}))

    assert (caught.value.status, caught.value.detail) == (503, "ProgrammingError")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent_away RENAME TO core_auditevent")


@pytest.mark.django_db(transaction=True)
def test_the_event_loops_way_says_so_too(run: Run[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent RENAME TO core_auditevent_away")
    try:
        with pytest.raises(AuditUnavailable):
            run(audit.arecord(Event("a")))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_auditevent_away RENAME TO core_auditevent")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_while_idle_is_not_noticed(
    run: Run[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "psycopg.pool")

    async def work() -> None:
        await audit.arecord(Event("before"))
        await database.on_thread(_end_other_connections, None)
        await audit.arecord(Event("after"))

    run(work())

    assert [e.action for e in AuditEvent.objects.order_by("pk")] == ["before", "after"]


def _end_other_connections(_: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            # With a time-out it returns once they are gone, and not when they were told.
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'daiko-data-plane' AND datname = current_database()"
        )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "kept"), [(Forbidden(), ["forbidden"]), (AuditUnavailable(), []), (ValueError(), [])]
)
def test_only_a_refusal_that_ends_an_attempt_is_on_record(
    error: Exception, kept: list[str]
) -> None:
    with pytest.raises(type(error)), audit.Attempt(Event("a")):
        raise error

    assert list(AuditEvent.objects.values_list("reason", flat=True)) == kept


@pytest.mark.django_db
def test_an_admin_is_named_with_issuer_and_subject() -> None:
    user = User.objects.create(username="u", iss="https://i", sub="7", name="Alice")

    assert Actor.person(user) == Actor("Alice", Subject("https://i", "7"))


@pytest.mark.django_db
def test_an_event_prints_in_one_line() -> None:
    audit.record(Event("a.b"))

    assert str(AuditEvent.objects.get()).endswith(" a.b allowed")
