"""Rows as they are stored: held against their own rules, and never twice under one name."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from agents.errors import NameTaken
from core.errors import invalid_fields


def check_fields(row: Model, *, besides: str = "") -> None:
    """Hold a row against its fields' own rules. Raises InvalidRequest, each reason at its field."""
    try:
        row.clean_fields(exclude={besides})
    except ValidationError as exc:
        raise invalid_fields(exc.message_dict) from None


def insert(row: Model, taken: NameTaken) -> None:
    """Store a new row, or raise `taken`."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise taken from None
