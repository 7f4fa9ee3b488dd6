"""Refusals of the services, with the names that the wire API's members have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.core.exceptions import ValidationError

from core.errors import FieldError, InvalidRequest, invalid_fields


@contextmanager
def members_named(by_field: Mapping[str, str]) -> Iterator[None]:
    """Let what is refused inside name the wire API's members instead of the model's fields.

    Raises:
        InvalidRequest: instead of one that names fields, or of a ValidationError.
    """
    try:
        yield
    except ValidationError as exc:
        told = {by_field.get(field, field): why for field, why in exc.message_dict.items()}
        raise invalid_fields(told) from None
    except InvalidRequest as exc:
        named = tuple(FieldError(by_field.get(e.name, e.name), e.message) for e in exc.fields)
        raise InvalidRequest(exc.message, fields=named, reason=exc.reason) from None
