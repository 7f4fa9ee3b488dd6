"""Whose a row is, where it names its person by `(iss, sub)` alone."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db.models import CharField, Model, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from core.models import User

Row = TypeVar("Row", bound=Model)


def person_of(iss: str, sub: str) -> QuerySet[User]:
    """Return the account to which a row's columns `iss` and `sub` point, for a subquery."""
    return User.objects.filter(iss=OuterRef(iss), sub=OuterRef(sub))


def with_people(rows: QuerySet[Row], *, iss: str, sub: str) -> QuerySet[Row]:
    """Return `rows` with `person_name` and `person_email` as they are now, to show and to search.

    Whoever never signed in is called by their subject.
    """
    none = Value("")
    called: Any = Coalesce(NullIf("name", none), NullIf("email", none), output_field=CharField())
    person = person_of(iss, sub)
    named: Any = rows.annotate(
        person_name=Coalesce(Subquery(person.values(called=called)[:1]), sub),
        person_email=Subquery(person.values("email")[:1]),
    )
    return cast("QuerySet[Row]", named)
