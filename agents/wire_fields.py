"""Refusals of the services, with the names that the wire API's members have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.core.exceptions import ValidationError

from core.errors import FieldError, InvalidRequest


@contextmanager
def members_named(by_field: Mapping[str, str]) -> Iterator[None]:
    """Let what is refused inside name the wire API's members instead of the model's fields.

    Raises:
        InvalidRequest: instead of one that names fields, or of a ValidationError.
    """
    try:
        yield
    except ValidationError as exc:
        told = tuple(
            FieldError(by_field.get(field, field), " ".join(reasons))
            for field, reasons in exc.message_dict.items()
        )
        raise InvalidRequest(" ".join(str(e.message) for e in told), fields=told) from None
    except InvalidRequest as exc:
        told = tuple(FieldError(by_field.get(e.name, e.name), e.message) for e in exc.fields)
        raise InvalidRequest(exc.message, fields=told, reason=exc.reason) from None
