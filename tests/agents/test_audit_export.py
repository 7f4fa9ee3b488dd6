"""The audit trail as a file: what is in it, who gets it, and that it is on record."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from core import audit, trail_files
from core.audit import Event
from core.models import AuditEvent, Role, User
from tests.agents.conftest import recorded, signed_in

pytestmark = pytest.mark.django_db

EXPORT = reverse("admin:core_auditevent_export")
SECRET = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"


def whole(response: Any) -> str:
    """Return the body of a streamed answer."""

    async def read() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return bytes(async_to_sync(read)()).decode()


def exported(client: Client, name: str = "jsonl", **query: str) -> str:
    response = client.post(EXPORT, {"format": name}, query_params=query)
    assert response.status_code == 200
    return whole(response)


def exports() -> list[dict[str, Any]]:
    return [event.detail for event in AuditEvent.objects.filter(action="admin.audit.exported")]


@pytest.fixture
def trail(bob: User) -> None:
    audit.record(Event("agent.invocation", subject=bob.subject, agent="a"))
    audit.record(Event("vault.refresh", "failed", "invalid_grant", provider="acme"))
    audit.record(Event("vault.refresh", provider="acme", detail={"generation": 2}))


@pytest.mark.usefixtures("trail")
def test_what_the_list_shows_is_what_is_exported(admin: Client) -> None:
    lines = [json.loads(line) for line in exported(admin).splitlines()]
    assert [line["action"] for line in lines] == ["agent.invocation"] + ["vault.refresh"] * 2
    assert lines[2]["detail"] == {"generation": 2}
    assert lines[0]["subject_sub"] == "bob"

    found = exported(admin, q="acme", outcome__exact="failed", p="1").splitlines()
    assert [json.loads(line)["reason"] for line in found] == ["invalid_grant"]


@pytest.mark.usefixtures("trail")
def test_who_exports_what_is_on_record_before_it_leaves(admin: Client, alice: User) -> None:
    admin.post(EXPORT, {"format": "csv"}, query_params={"provider": "acme", "o": "1", "q": "f"})

    event = AuditEvent.objects.get(action="admin.audit.exported")
    assert event.actor == alice.display_name
    assert event.subject_sub == "alice"
    assert event.detail == {"format": "csv", "filter": {"provider": "acme", "q": "f"}, "rows": 2}
    assert "Audit trail exported" in admin.get(reverse("admin:core_auditevent_changelist")).text


@pytest.mark.usefixtures("trail")
def test_what_looks_secret_in_a_search_is_not_put_on_record(admin: Client) -> None:
    exported(admin, q="Bearer abcdef.123456")

    assert exports()[-1]["filter"] == {"q": "[redacted]"}


def test_an_export_that_cannot_be_put_on_record_does_not_leave(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT full_up CHECK (false) NOT VALID")

    admin.raise_request_exception = False
    answer = admin.post(EXPORT, {"format": "csv"})

    assert answer.status_code >= 500
    assert b"vault.refresh" not in answer.content


@pytest.mark.usefixtures("trail")
def test_as_csv_no_cell_is_a_formula(admin: Client) -> None:
    for evil in ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"):
        audit.record(Event("x", actor=evil, client='say "hi", bob'))

    rows = list(csv.DictReader(io.StringIO(exported(admin, "csv"))))

    assert list(rows[0]) == list(trail_files.COLUMNS)
    evil_ones = [row["actor"] for row in rows if row["action"] == "x"]
    assert len(evil_ones) == 6
    assert all(cell.startswith("'") for cell in evil_ones)
    assert rows[-1]["client"] == 'say "hi", bob'
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values()
    )


@pytest.mark.usefixtures("trail")
def test_as_ocsf_each_line_is_an_event_of_the_schema(admin: Client) -> None:
    events = [json.loads(line) for line in exported(admin, "ocsf").splitlines()]

    assert [event["class_uid"] for event in events] == [6003] * 3
    assert {event["metadata"]["version"] for event in events} == {"1.6.0"}
    assert events[1]["status_code"] == "invalid_grant"


def test_nothing_that_looks_like_a_credential_leaves(admin: Client) -> None:
    audit.record(Event("x", detail={"a": ["b", {"c": f"Bearer {SECRET}"}], "n": 3}))

    for name in trail_files.FORMATS:
        text = exported(admin, name, q="x")
        assert SECRET not in text
        assert "[redacted]" in text


def test_a_long_trail_is_read_in_pieces_and_is_whole(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_files, "_BATCH", 10)
    at = timezone.now()  # many in one moment: the time alone does not say where to go on
    AuditEvent.objects.bulk_create(
        AuditEvent(at=at, action="x", outcome="allowed", reason=str(n)) for n in range(95)
    )
    response = admin.post(EXPORT, {"format": "jsonl"})

    with CaptureQueriesContext(connection) as captured:
        lines = whole(response).splitlines()

    assert [json.loads(line)["reason"] for line in lines] == [str(n) for n in range(95)]
    assert len(captured) == 11
    assert all("LIMIT 10" in query["sql"] for query in captured)


def test_what_comes_while_it_is_read_is_not_in_it(admin: Client) -> None:
    audit.record(Event("before"))
    response = admin.post(EXPORT, {"format": "jsonl"})
    audit.record(Event("after"))

    assert [json.loads(line)["action"] for line in whole(response).splitlines()] == ["before"]


def test_it_comes_as_a_file_that_no_cache_keeps(admin: Client) -> None:
    for name, ending in (("jsonl", ".jsonl"), ("csv", ".csv"), ("ocsf", ".ocsf.jsonl")):
        answer = admin.post(EXPORT, {"format": name})
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
        assert answer.headers["Content-Disposition"].endswith(f'{ending}"')
        assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("role", "may"), [("operator", 1), ("auditor", 1), ("help-desk", 0)])
def test_only_who_may_read_the_trail_takes_it_away(bob: User, role: str, may: int) -> None:
    bob.is_staff = True
    bob.save()
    bob.roles.set(Role.objects.filter(name=role))

    answer = signed_in(bob).post(EXPORT, {"format": "jsonl"})

    assert answer.status_code == (200 if may else 403)
    assert len(exports()) == may


def test_a_link_exports_nothing_and_neither_does_what_no_list_shows(admin: Client) -> None:
    assert admin.get(EXPORT).status_code == 405
    assert admin.post(EXPORT, {"format": "exe"}).status_code == 404
    assert admin.post(EXPORT, query_params={"detail__contains": "x"}).status_code == 302
    assert admin.post(EXPORT, query_params={"since": "yesterday"}).status_code == 302
    assert Client(enforce_csrf_checks=True).post(EXPORT).status_code == 403
    assert Client().post(EXPORT).status_code in {302, 403}
    assert recorded() == []


def test_the_list_exports_what_it_shows(admin: Client) -> None:
    page = admin.get(reverse("admin:core_auditevent_changelist"), {"q": "a&b"}).text

    assert f'action="{EXPORT}?q=a%26b"' in page
    assert "Export what is shown" in page
