"""Responses as AWS's clients expect them: JSON, the request's id, and errors they can name.

The wire API speaks English, whatever language the site speaks, as AWS does.
"""

import json
from typing import Any, NamedTuple

from django.utils.translation import override

from core import inert
from core.errors import AppError, InvalidRequest, Throttled
from core.wire.model import error_statuses
from core.wire.write import Written

NO_CONTENT = 204
UNAVAILABLE = 503
_GUARDS = [("cache-control", "no-store"), *inert.HEADERS]


Headers = list[tuple[str, str]]  # names in lower case


class Response(NamedTuple):
    """A whole response."""

    status: int
    headers: Headers
    body: bytes


def on_the_wire(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI takes them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def success(written: Written, *, request_id: str) -> Response:
    """Return the response of an operation that did what it was asked to."""
    return _response(written.status, written.body, request_id=request_id, headers=written.headers)


def failure(error: AppError, *, request_id: str) -> Response:
    """Return what makes an AWS client raise `error.aws`. `error.detail` stays here.

    The status is what AWS gives to an error of this name, but for 503, which it does not have: that
    nothing is wrong with the request is worth knowing.
    """
    status = error_statuses().get(error.aws, error.status)
    headers = {"x-amzn-ErrorType": error.aws}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.retry_after_s)
    with override("en"):
        body: dict[str, Any] = {"message": str(error.message)}
        if isinstance(error, InvalidRequest):
            body["reason"] = error.reason
            if error.fields:
                body["fieldList"] = [
                    {"name": field.name, "message": str(field.message)} for field in error.fields
                ]
    return _response(
        UNAVAILABLE if error.status == UNAVAILABLE else status,
        body,
        request_id=request_id,
        headers=headers,
    )


def _response(
    status: int, body: dict[str, Any], *, request_id: str, headers: dict[str, str]
) -> Response:
    content = b"" if status == NO_CONTENT else json.dumps(body).encode()
    sent = [("x-amzn-requestid", request_id), *_GUARDS]
    sent += [(name.lower(), value) for name, value in headers.items()]
    if status != NO_CONTENT:  # RFC 9110 section 8.6: a 204 has no Content-Length
        sent += [("content-type", "application/json"), ("content-length", str(len(content)))]
    return Response(status, sent, content)
