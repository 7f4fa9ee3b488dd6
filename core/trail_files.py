"""The audit trail as a file to take away: JSON Lines, CSV, or OCSF.

Rows are read a few at a time, each batch from where the last one ended, so that a million of them
fill no memory and no transaction stays open while a slow client reads.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet

from core import database, ocsf
from core.logs import redacted
from core.models import AuditEvent

COLUMNS = (
    "id", "at", "action", "outcome", "reason", "subject_iss", "subject_sub", "actor", "agent",
    "workload", "provider", "client", "reference", "client_ip", "detail",
)  # fmt: skip
_BATCH = 1000
# A spreadsheet takes what begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How rows are written."""

    name: str
    ending: str
    content_type: str
    written: Callable[[Iterable[Row]], str]
    head: str = ""


async def parts_of(events: QuerySet[AuditEvent], *, written_as: Format) -> AsyncIterator[bytes]:
    """Yield the file of `events`, oldest first, a batch at a time."""
    if written_as.head:
        yield written_as.head.encode()
    after: Row | None = None
    while rows := await sync_to_async(_batch)(events, after):
        yield written_as.written(rows).encode()
        after = rows[-1]


def _batch(events: QuerySet[AuditEvent], after: Row | None) -> list[dict[str, Any]]:
    """Return the next rows, and give the connection back while they are sent."""
    if after is not None:
        later = Q(at__gt=after["at"]) | Q(at=after["at"], pk__gt=after["id"])
        events = events.filter(later, at__gte=after["at"])  # the second is one that an index knows
    try:
        rows = list(events.order_by("at", "pk").values(*COLUMNS)[:_BATCH])
    finally:
        database.let_go()
    return [{**row, "detail": _clean(row["detail"])} for row in rows]


def _clean(value: Any) -> Any:
    """Return what was kept with an event, without anything that looks like a credential.

    Nothing of the kind is put on record; this is in case that something was.
    """
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder, separators=(",", ":"))


def _as_json_lines(rows: Iterable[Row]) -> str:
    return "".join(f"{_json(row)}\n" for row in rows)


def _as_ocsf(rows: Iterable[Row]) -> str:
    return "".join(f"{_json(ocsf.event_of(row))}\n" for row in rows)


def _as_csv(rows: Iterable[Row]) -> str:
    return _lines([_cell(row[name]) for name in COLUMNS] for row in rows)


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet computes: an apostrophe makes it text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return _json(value)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("jsonl", "jsonl", "application/jsonl", _as_json_lines),
        Format("csv", "csv", "text/csv; charset=utf-8", _as_csv, head=_lines([COLUMNS])),
        Format("ocsf", "ocsf.jsonl", "application/jsonl", _as_ocsf),
    )
}
