"""Django, which serves the pages and their API, asked once a request's body is whole.

It would wait for a body without end, and keep on disk whatever comes, whoever sends it. Only who is
signed in may send as much as a file has.
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

from core import database, inert
from core.errors import AppError, InvalidRequest
from core.wire.body import ClientGone, read_body
from portal.attachments import MAX_BYTES
from portal.errors import SignInRequired
from portal.signins import session_key_in, signin_of_key

_UPLOAD = ("POST", "/api/v1/attachments")
_django = cast(ASGI3Application, ASGIHandler())


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one request, or refuse its body: one that is too large, or does not come."""
    brings_file = scope["type"] == "http" and (scope["method"], scope["path"]) == _UPLOAD
    may_bring_it = brings_file and await _is_signed_in(scope)
    most = MAX_BYTES if may_bring_it else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        body = await read_body(receive, max_bytes=most)
    except ClientGone:
        return
    except InvalidRequest as refusal:
        await _refuse(SignInRequired() if brings_file and not may_bring_it else refusal, send)
        return
    whole: list[ASGIReceiveEvent] = [
        HTTPRequestEvent(type="http.request", body=body, more_body=False)
    ]

    async def replayed() -> ASGIReceiveEvent:
        return whole.pop() if whole else await receive()

    await _django(scope, replayed, send)


async def _is_signed_in(scope: Scope) -> bool:
    headers = scope["headers"] if scope["type"] == "http" else ()
    cookies = b"; ".join(value for name, value in headers if name.lower() == b"cookie")
    key = session_key_in(cookies.decode("latin-1"))
    return bool(key) and await database.on_thread(signin_of_key, key) is not None


async def _refuse(refusal: AppError, send: ASGISendCallable) -> None:
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
