"""Refusals of the services, with the names that the wire API's members have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from django.core.exceptions import ValidationError

from core.errors import FieldError, InvalidRequest, invalid_fields


@contextmanager
def members_named(
    by_field: Mapping[str, str], *, words: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """Let what is refused inside name the wire API's members instead of the model's fields.

    `words` are told instead of the reason where a field's reason speaks of the admin's page.

    Raises:
        InvalidRequest: instead of one that names fields, or of a ValidationError.
    """
    try:
        yield
    except ValidationError as exc:
        told = {by_field.get(field, field): why for field, why in exc.message_dict.items()}
        raise invalid_fields(told) from None
    except InvalidRequest as exc:
        named = tuple(
            FieldError(by_field.get(e.name, e.name), words.get(e.name, e.message))
            for e in exc.fields
        )
        message = exc.message
        if any(e.name in words for e in exc.fields):
            message = " ".join(str(field.message) for field in named)
        raise InvalidRequest(message, fields=named, reason=exc.reason) from None
