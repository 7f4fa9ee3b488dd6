"""The token endpoint as an ASGI application, mounted before Django.

Guard: an access key of a workload identity, shown by HTTP Basic and verified before the body is
read.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from agents.keys import client_secrets
from core import inert, reference
from core.errors import AppError, Internal
from core.wire import respond
from core.wire.body import ClientGone, read_body
from core.wire.canonical import merged_headers
from vault.token_endpoint import refusals
from vault.token_endpoint.exchange import token_issue
from vault.token_endpoint.form import parsed

log = logging.getLogger(__name__)

PATH = "/oauth2/token"
# A person's token may have 128 KiB, and as much again by its percent signs.
MAX_BODY_BYTES = 1 << 18
_OK, _NOT_POST = 200, 405
# RFC 6749 section 5.1 asks for both.
_GUARDS = {"cache-control": "no-store", "pragma": "no-cache", **dict(inert.HEADERS)}


async def application(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer one token request."""
    client = scope.get("client")
    reference.begin(client[0] if client else None)
    if scope["method"] != "POST":
        told = {"error": "invalid_request", "error_description": "Send a POST."}
        await _send(send, _NOT_POST, {"allow": "POST"}, told)
        return
    try:
        body = await _issued(scope, receive)
    except ClientGone:
        return
    except AppError as error:
        log.info("oauth2.token.refused", extra={"reason": error.code, "detail": error.detail})
        await _refuse(send, error)
    except Exception:  # the boundary: a client learns the request's id and nothing else
        log.exception("oauth2.token.failed")
        await _refuse(send, Internal())
    else:
        await _send(send, _OK, {}, body)


async def _issued(scope: HTTPScope, receive: ASGIReceiveCallable) -> dict[str, Any]:
    headers = merged_headers(scope["headers"])
    caller = await client_secrets.authenticate(headers)
    body = await read_body(receive, max_bytes=MAX_BODY_BYTES)
    return await token_issue(caller, parsed(headers, body))


async def _refuse(send: ASGISendCallable, error: AppError) -> None:
    status, headers = refusals.status_of(error), refusals.headers_of(error)
    await _send(send, status, headers, refusals.body_of(error))


async def _send(
    send: ASGISendCallable, status: int, headers: dict[str, str], body: dict[str, Any]
) -> None:
    content = json.dumps(body).encode()
    sent = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "x-request-id": reference.current().id,
        **_GUARDS,
        **headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": respond.on_the_wire(list(sent.items())),
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": content, "more_body": False})
