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
from functools import reduce
from itertools import chain
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, models
from django.db.models import Case, Count, F, Func, Q, QuerySet, Value, When
from django.db.models.functions import Left, Substr

from core.crypto import Binding
from core.fenced import Change

_SUFFIX = "_sealed"
# The version and the id of the data key, as base64.
_HEAD_CHARS = 24
BATCH = 500
_ID_BYTES = 16
_SEPARATOR = ","


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

    def stored(self, value: bytes) -> bytes | str:
        """Return a sealed value as it stands in a row."""
        return base64.b64encode(value).decode("ascii") if self.is_text else value

    def joined(self, values: Iterable[Any]) -> str:
        """Return values that stand here, none of them empty, as one text."""
        # Neither base64 nor hexadecimal holds the separator.
        return _SEPARATOR.join(value if self.is_text else bytes(value).hex() for value in values)

    def from_joined(self, value: str) -> str:
        """Return the SQL that makes of one of `joined` what stands here."""
        return value if self.is_text else f"decode({value}, 'hex')"

    def apart_from(self, key_ids: Iterable[UUID]) -> Q:
        """Return the condition that something is held here that no data key of `key_ids` sealed."""
        sealed_there = Q(**{f"{self.data_key}__in": [key_id.bytes for key_id in key_ids]})
        return self.is_held & (~sealed_there | Q(**{self.data_key: None}))

    @property
    def is_held(self) -> Q:
        """Return the condition that something is held here."""
        return Q(**{f"{self.field}__isnull": False})

    @property
    def data_key(self) -> str:
        """Return what the id of a value's data key is called in queries."""
        return f"data_key_of_{self.field}"

    def data_key_expression(self) -> Substr | Case:
        """Return the id of the data key that a value here names, as PostgreSQL reads it."""
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


@dataclass(frozen=True, slots=True)
class SealedTable:
    """The sealed columns of one table, which are read and replaced together."""

    model: type[models.Model]
    columns: tuple[SealedColumn, ...]

    def __str__(self) -> str:
        return self.model._meta.db_table

    def rows(self) -> QuerySet[Any]:
        """Return the rows that hold something."""
        rows: QuerySet[Any] = self._all().filter(_any(c.is_held for c in self.columns))
        return rows

    def rows_apart_from(self, key_ids: Iterable[UUID]) -> QuerySet[Any]:
        """Return those of `rows` that hold something that no data key of `key_ids` sealed."""
        ids = list(key_ids)
        rows: QuerySet[Any] = self._all().filter(_any(c.apart_from(ids) for c in self.columns))
        return rows

    def rows_under(self, key_ids: Iterable[UUID]) -> QuerySet[Any]:
        """Return those of `rows` that hold something that a data key of `key_ids` sealed."""
        ids = [key_id.bytes for key_id in key_ids]
        sealed_there = _any(Q(**{f"{column.data_key}__in": ids}) for column in self.columns)
        rows: QuerySet[Any] = self._all().filter(sealed_there)
        return rows

    def batches(self, rows: QuerySet[Any]) -> Iterator[list[Any]]:
        """Yield the rows in batches by primary key; what comes behind the last one is not seen.

        Of each row is loaded what is sealed and what its place is made of, and no more.
        """
        rows = rows.order_by("pk")
        if related := getattr(self.model, "SEALED_WITH", ()):  # with none, all would be loaded
            rows = rows.select_related(*related)
        else:
            rows = rows.only(*self._needed(rows))
        batch = list(rows[:BATCH])
        while batch:
            yield batch
            batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])

    def held(self, row: Any) -> list[SealedColumn]:
        """Return the columns in which `row` holds something."""
        return [column for column in self.columns if getattr(row, column.field) is not None]

    def count(self) -> int:
        """Return how many values there are. Reads the whole table."""
        return sum(self._counted({c.field: c.is_held for c in self.columns}).values())

    def count_apart_from(self, key_ids: Iterable[UUID]) -> dict[str, int]:
        """Return, by column, how many values no data key of `key_ids` sealed. Reads the table."""
        ids = list(key_ids)
        counted = self._counted({c.field: c.apart_from(ids) for c in self.columns})
        return {str(column): counted[column.field] for column in self.columns}

    def data_keys(self) -> set[UUID]:
        """Return the ids of all data keys that a row names here. Reads the whole table."""
        found = (
            self._all().values_list(column.data_key_expression(), flat=True).order_by().distinct()
            for column in self.columns
        )
        return {
            UUID(bytes=bytes(raw))
            for raw in chain.from_iterable(found)
            if raw is not None and len(raw) == _ID_BYTES
        }

    def replace(self, changes: Iterable[Change]) -> set[Any]:
        """Replace sealed values by others of the same secrets; return the keys of the rows.

        One statement for all rows in which the same columns change. A row that holds another value
        by now is left alone, so whoever stores at the same time is never undone.
        """
        alike: dict[tuple[str, ...], list[Change]] = {}
        for change in changes:
            alike.setdefault(tuple(change.columns), []).append(change)
        by_field = {column.field: column for column in self.columns}
        replaced: set[Any] = set()
        for fields, group in alike.items():
            replaced |= self._replace([by_field[field] for field in fields], group)
        return replaced

    def _replace(self, columns: list[SealedColumn], group: list[Change]) -> set[Any]:
        # One text for each column: a parameter for each value costs the client eight times as much.
        quoted = connection.ops.quote_name
        key: Any = self.model._meta.pk
        given, listed, became, was = [], [], [], []
        for number, column in enumerate(columns):
            old = [change.seen[column.field] for change in group]
            new = [change.columns[column.field] for change in group]
            given += [column.joined(old), column.joined(new)]
            listed += [f"old{number}", f"new{number}"]
            name = quoted(column.column)
            became.append(f"{name} = {column.from_joined(f'told.new{number}')}")
            was.append(f"held.{name} = {column.from_joined(f'told.old{number}')}")
        # Every name comes from our own models.
        statement = (
            f"UPDATE {quoted(self.model._meta.db_table)} AS held SET {', '.join(became)} "  # noqa: S608
            f"FROM unnest(%s::{key.rel_db_type(connection)}[]"
            f"{', string_to_array(%s, %s)' * len(given)}) AS told (key, {', '.join(listed)}) "
            f"WHERE held.{quoted(key.column)} = told.key AND {' AND '.join(was)} "
            f"RETURNING held.{quoted(key.column)}"
        )
        separated = [value for text in given for value in (text, _SEPARATOR)]
        with connection.cursor() as cursor:
            cursor.execute(statement, [[change.pk for change in group], *separated])
            return {pk for (pk,) in cursor.fetchall()}

    def _all(self) -> QuerySet[Any]:
        named = {column.data_key: column.data_key_expression() for column in self.columns}
        rows: QuerySet[Any] = self.model._base_manager.alias(**named)
        return rows

    def _counted(self, conditions: dict[str, Q]) -> dict[str, int]:
        counted = {
            f"count_{name}": Count(Case(When(condition, then=Value(1))))
            for name, condition in conditions.items()
        }
        found = self._all().aggregate(**counted)
        return {name: found[f"count_{name}"] for name in conditions}

    def _needed(self, rows: QuerySet[Any]) -> list[str]:
        """Return the columns to load: a row of which nothing else is there loads what it is asked.

        A column that this row did not need would be loaded later, one row at a time.
        """
        sealed = [column.field for column in self.columns]
        while (row := rows.only("pk", *sealed).first()) is not None:
            try:
                for column in self.columns:
                    column.binding(row)
            except ObjectDoesNotExist:  # deleted meanwhile; another one tells as well
                continue
            deferred = row.get_deferred_fields()
            return [f.attname for f in row._meta.concrete_fields if f.attname not in deferred]
        return ["pk", *sealed]


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(Q.__or__, conditions)


_included: list[SealedColumn] = []


def include(column: SealedColumn) -> None:
    """Have a column known that is not found by its name."""
    if column not in _included:
        _included.append(column)


def all_columns() -> list[SealedColumn]:
    """Return every column that holds sealed values, in a stable order."""
    found = [
        SealedColumn(model, field.name, _binding_of(field.name))
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.BinaryField) and field.name.endswith(_SUFFIX)
    ]
    return sorted([*found, *_included], key=str)


def all_tables() -> list[SealedTable]:
    """Return the same by their tables, in a stable order."""
    by_model: dict[type[models.Model], list[SealedColumn]] = {}
    for column in all_columns():
        by_model.setdefault(column.model, []).append(column)
    return [SealedTable(model, tuple(columns)) for model, columns in by_model.items()]


def table_of(model: type[models.Model]) -> SealedTable:
    """Return the sealed columns of `model`. Raises KeyError: it has none."""
    return {table.model: table for table in all_tables()}[model]


def data_keys_in_use() -> set[UUID]:
    """Return the ids of all data keys that any row names. Reads every table that holds secrets."""
    return set().union(*(table.data_keys() for table in all_tables()))


def _binding_of(field: str) -> Callable[[Any], Binding]:
    def binding(row: Any) -> Binding:
        found: Binding = row.binding(field)
        return found

    return binding
