"""A proxy that checks nothing and records nothing: the same server, loop and client, and no more.

It is what Python gives at best to who does it in the same way. Where the upstream is, is in
`BENCH_UPSTREAM`; it is served as the site is.
"""

from __future__ import annotations

import os

import aiohttp
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope

_UPSTREAM = os.environ["BENCH_UPSTREAM"]
_PASSED = (b"content-type", b"accept", b"authorization")
_open: list[aiohttp.ClientSession] = []


def _session() -> aiohttp.ClientSession:
    if not _open:
        _open.append(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
    return _open[0]


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Pass a request on, and its answer back as it comes."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    sent = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _PASSED
    }
    async with _session().post(_UPSTREAM + scope["path"], data=body, headers=sent) as answer:
        kind = answer.headers.get("content-type", "").encode("latin-1")
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(b"content-type", kind)],
                "trailers": False,
            }
        )
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
