"""Django, which serves the pages and their API, asked once a request's body is whole.

It would wait for a body without end, and keep on disk whatever comes, whoever sends it.
"""

from __future__ import annotations

from typing import cast

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPRequestEvent,
    Scope,
)
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

from core import inert
from core.errors import InvalidRequest
from core.wire.body import ClientGone, read_body
from portal.attachments import MAX_BYTES

_FILES = "/api/v1/attachments"
_django = cast(ASGI3Application, ASGIHandler())


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one request, or refuse its body: one that is too large, or does not come."""
    try:
        body = await read_body(receive, max_bytes=_most(scope))
    except ClientGone:
        return
    except InvalidRequest as refusal:
        await _refuse(refusal, send)
        return
    whole: list[ASGIReceiveEvent] = [
        HTTPRequestEvent(type="http.request", body=body, more_body=False)
    ]

    async def replayed() -> ASGIReceiveEvent:
        return whole.pop() if whole else await receive()

    await _django(scope, replayed, send)


def _most(scope: Scope) -> int:
    """Return of how many octets a body may be: a form's, or a file's where files are taken."""
    is_file = scope["type"] == "http" and scope["path"] == _FILES and scope["method"] == "POST"
    return MAX_BYTES if is_file else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


async def _refuse(refusal: InvalidRequest, send: ASGISendCallable) -> None:
    headers = [("content-type", "text/plain; charset=utf-8"), *inert.HEADERS]
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
            "trailers": False,
        }
    )
    body = f"{refusal.message}\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": False})
