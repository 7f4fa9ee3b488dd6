"""Every place that holds sealed values is known, and no value opens in any other place."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from core import sealed_columns
from core.crypto import Binding, SealBroken, open_sealed, seal
from core.sealed_columns import SealedColumn

_ROOMS = {"core", "agents", "vault", "portal"}
# Wrapped keys, a signature that is no secret once it was spent, the hash of a request, and files,
# which are kept as what is said with them is.
_NOT_SEALED = {
    *("core_datakey.sealed", "agents_spentsignature.signature"),
    *("agents_answeredcall.asked_sha256", "portal_attachment.content"),
}

COLUMNS = sealed_columns.all_columns()
pytestmark = pytest.mark.django_db


def binding_of(column: SealedColumn) -> Binding:
    """Return the place of an unsaved row of a person's."""
    row = column.model()
    for field in column.model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            related: Any = field.remote_field.model
            setattr(row, field.name, related(pk=1) if field.null is False else None)
    return column.binding(row)


def test_every_binary_column_of_ours_is_known_to_be_sealed_or_not() -> None:
    binary = {
        f"{model._meta.db_table}.{field.column}"
        for model in apps.get_models()
        if model._meta.app_label in _ROOMS
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.BinaryField)
    }

    known = {str(column) for column in COLUMNS}
    assert binary - _NOT_SEALED == known - {"django_session.session_data"}


def test_tokens_of_third_parties_are_the_vaults_and_nothing_else_is() -> None:
    tokens = {str(column) for column in COLUMNS if binding_of(column).vault}

    assert tokens == {
        str(column)
        for column in COLUMNS
        if column.model._meta.app_label == "vault"
        and column.field in {"access_sealed", "refresh_sealed"}
    }


def test_each_column_binds_to_its_own_table_and_column() -> None:
    for column in COLUMNS:
        place = binding_of(column)
        assert f"{place.table}.{place.column}" == str(column)


def test_a_value_opens_in_no_other_table_column_row_and_for_nobody_else() -> None:
    places = {str(column): binding_of(column) for column in COLUMNS}
    sealed = {name: seal("s3cret", bound_to=place) for name, place in places.items()}

    for here, there in itertools.permutations(places, 2):
        with pytest.raises(SealBroken):
            open_sealed(sealed[here], bound_to=places[there])
    for name, place in places.items():
        for elsewhere in (replace(place, row="another"), replace(place, owner="somebody else")):
            with pytest.raises(SealBroken):
                open_sealed(sealed[name], bound_to=elsewhere)
        assert open_sealed(sealed[name], bound_to=place).reveal() == "s3cret"


def test_reading_a_column_reads_other_tables_only_where_its_place_is_made_of_them() -> None:
    joined = {str(t) for t in sealed_columns.all_tables() if hasattr(t.model, "SEALED_WITH")}

    assert joined == {"portal_signin"}
