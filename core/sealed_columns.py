"""Every column that holds sealed values, so that none is forgotten when keys change.

A binary column whose name ends in `_sealed` is one, and its model says where a value of it opens:
`binding(field)`. What is kept in a table of somebody else's is told to `include` when its app
starts. A test holds that there is no other place.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.db.models import Case, F, Func, Q, QuerySet, Value, When
from django.db.models.functions import Left, Substr

from core.crypto import Binding

_SUFFIX = "_sealed"
# The version and the id of the data key, as base64.
_HEAD_CHARS = 24
BATCH = 500
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One column. Values are bytes, or base64 where the column `is_text`."""

    model: type[models.Model]
    field: str
    binding: Callable[[Any], Binding]
    is_text: bool = False

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"

    @property
    def column(self) -> str:
        """Return its name in the database."""
        field: Any = self.model._meta.get_field(self.field)
        return str(field.column)

    def sealed(self, row: Any) -> bytes:
        """Return what one of `rows` holds here; nothing where it was never sealed."""
        value = getattr(row, self.field)
        if not self.is_text:
            return bytes(value)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return b""

    def rows(self) -> QuerySet[Any]:
        """Return the rows that hold something here, each with the id of its `data_key`."""
        rows: QuerySet[Any] = self.model._base_manager.annotate(data_key=self._data_key())
        if related := getattr(self.model, "SEALED_WITH", ()):  # with none, all would be loaded
            rows = rows.select_related(*related)
        return rows.exclude(**{self.field: None})

    def rows_apart_from(self, key_ids: Iterable[UUID]) -> QuerySet[Any]:
        """Return those of `rows` that no data key of `key_ids` sealed."""
        sealed_there = Q(data_key__in=[key_id.bytes for key_id in key_ids])
        return self.rows().filter(~sealed_there | Q(data_key=None))

    def batches(self, rows: QuerySet[Any]) -> Iterator[list[Any]]:
        """Yield the rows in batches by primary key; what comes behind the last one is not seen."""
        batch = list(rows.order_by("pk")[:BATCH])
        while batch:
            yield batch
            batch = list(rows.filter(pk__gt=batch[-1].pk).order_by("pk")[:BATCH])

    def data_keys(self) -> set[UUID]:
        """Return the ids of all data keys that a row names here. Reads the whole table."""
        found = self.rows().order_by().values_list("data_key", flat=True).distinct()
        return {
            UUID(bytes=bytes(raw)) for raw in found if raw is not None and len(raw) == _ID_BYTES
        }

    def replace(self, changes: list[tuple[Any, bytes, bytes]]) -> int:
        """Replace, in each row of `(pk, old, new)`, the old value by the new one.

        One statement. A row that holds another value by now is left alone, so whoever stores at the
        same time is never undone. Returns how many were replaced.
        """
        key: Any = self.model._meta.pk
        stored = "text" if self.is_text else "bytea"
        quoted = connection.ops.quote_name
        table, column = quoted(self.model._meta.db_table), quoted(self.column)
        statement = (
            f"UPDATE {table} AS t SET {column} = v.new "  # noqa: S608  (names of models)
            f"FROM unnest(%s::{key.rel_db_type(connection)}[], %s::{stored}[], %s::{stored}[]) "
            f"AS v (pk, old, new) WHERE t.{quoted(key.column)} = v.pk AND t.{column} = v.old"
        )
        keys = [pk for pk, _old, _new in changes]
        old = [self._stored(value) for _pk, value, _new in changes]
        new = [self._stored(value) for _pk, _old, value in changes]
        with connection.cursor() as cursor:
            cursor.execute(statement, [keys, old, new])
            return int(cursor.rowcount)

    def _stored(self, value: bytes) -> bytes | str:
        return base64.b64encode(value).decode("ascii") if self.is_text else value

    def _data_key(self) -> Substr | Case:
        octets = models.BinaryField()
        if not self.is_text:
            return Substr(F(self.field), 2, _ID_BYTES, output_field=octets)
        head = Func(
            Left(self.field, _HEAD_CHARS),
            Value("base64"),
            function="decode",
            output_field=octets,
        )
        is_base64 = {f"{self.field}__regex": f"^[A-Za-z0-9+/]{{{_HEAD_CHARS}}}"}
        return Case(When(**is_base64, then=Substr(head, 2, _ID_BYTES)), output_field=octets)


_included: list[SealedColumn] = []


def include(column: SealedColumn) -> None:
    """Have a column known that is not found by its name."""
    if column not in _included:
        _included.append(column)


def all_columns() -> list[SealedColumn]:
    """Return every column that holds sealed values, in a stable order."""
    found = [
        column_of(model, field.name)
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.BinaryField) and field.name.endswith(_SUFFIX)
    ]
    return sorted([*found, *_included], key=str)


def column_of(model: type[models.Model], field: str) -> SealedColumn:
    """Return the column of one field that holds sealed values."""
    return SealedColumn(model, field, _binding_of(field))


def data_keys_in_use() -> set[UUID]:
    """Return the ids of all data keys that any row names. Reads every table that holds secrets."""
    return set().union(*(column.data_keys() for column in all_columns()))


def _binding_of(field: str) -> Callable[[Any], Binding]:
    def binding(row: Any) -> Binding:
        found: Binding = row.binding(field)
        return found

    return binding
