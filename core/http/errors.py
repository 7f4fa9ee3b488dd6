"""What keeps a request to another server from a usable answer."""

from __future__ import annotations

from core.errors import AppError


class HttpError(AppError):
    """A request to another server got no usable answer."""

    code = "http_failed"
    status = 502
    aws = "InternalServerException"


class HttpRefused(HttpError):
    """The request was not sent: its address is not one this site may reach."""

    code = "http_refused"


class HttpUnreachable(HttpError):
    """No connection could be made; the server has seen nothing."""

    code = "http_unreachable"


class HttpUnanswered(HttpError):
    """The request was sent and no whole answer came. The server may have acted on it."""

    code = "http_unanswered"


class HttpTooLarge(HttpError):
    """The answer is larger than its bound."""

    code = "http_too_large"
