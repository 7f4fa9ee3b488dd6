"""Many rows, each changed to columns of its own, and only while it stands as it was seen.

The ORM changes many rows to the same columns, or one row at a time; answers of a token endpoint
that come in together are neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

_Field = models.Field[Any, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """New `columns` for the row `pk`, provided that its columns are still those of `seen`."""

    pk: Any
    seen: Mapping[str, Any]
    columns: Mapping[str, Any]


def update_each(model: type[models.Model], changes: Iterable[Change]) -> set[Any]:
    """Return the keys of the rows that were changed: one UPDATE for each set of columns."""
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Change]] = defaultdict(list)
    for change in changes:
        alike[tuple(change.seen), tuple(change.columns)].append(change)
    changed: set[Any] = set()
    for (seen, columns), group in alike.items():
        changed |= _update(model, _fields(model, seen), _fields(model, columns), group)
    return changed


def _fields(model: type[models.Model], names: Sequence[str]) -> list[_Field]:
    found = (model._meta.get_field(name) for name in names)
    return [field for field in found if isinstance(field, models.Field)]


def _update(
    model: type[models.Model], seen: list[_Field], columns: list[_Field], group: list[Change]
) -> set[Any]:
    key = [model._meta.pk]
    given = [*key, *seen, *columns]
    row = ", ".join(f"%s::{field.cast_db_type(connection)}" for field in given)
    # A column may be both seen and changed, so the values go by number.
    names = [f"v{number}" for number in range(len(given))]
    is_ours = dict(zip(names, [*key, *seen], strict=False))
    becomes = dict(zip(names[len(is_ours) :], columns, strict=True))
    # Every name comes from our own models.
    statement = (
        f"UPDATE {model._meta.db_table} AS held "  # noqa: S608
        f"SET {', '.join(f'{field.column} = told.{name}' for name, field in becomes.items())} "
        f"FROM (VALUES {', '.join([f'({row})'] * len(group))}) AS told ({', '.join(names)}) "
        f"WHERE {' AND '.join(f'held.{f.column} = told.{name}' for name, f in is_ours.items())} "
        f"RETURNING held.{key[0].column}"
    )
    values = [
        field.get_db_prep_save(value, connection)
        for change in group
        for field, value in zip(
            given, (change.pk, *change.seen.values(), *change.columns.values()), strict=True
        )
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return {key for (key,) in cursor.fetchall()}
