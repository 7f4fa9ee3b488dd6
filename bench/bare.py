"""The bare loops that the site is held against: a server that does nothing, and two statements.

`bench.bare:application` is served as the site is. `python -m bench.bare SECONDS CONNECTIONS` reads
a grant's row by its key and writes an event, each committed, and says how many pairs a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
from time import perf_counter

import psycopg
import uvloop
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from bench.children import say

_BODY = b'{"accessToken": "' + b"x" * 64 + b'"}'
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BODY)).encode()),
]
_SELECT = "SELECT access_sealed FROM vault_grant WHERE id = %s"
_INSERT = """
    INSERT INTO core_auditevent
        (at, action, outcome, reason, subject_iss, subject_sub, actor, agent, workload, provider,
         client, reference, detail)
    VALUES (now(), 'bench.bare', 'allowed', '', '', %s, '', '', '', '', '', %s, '{}')
"""


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Read a request whole and answer a constant."""
    if scope["type"] != "http":
        return
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message["more_body"]:
            break
    await send(
        {"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": False}
    )
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})


async def _pairs(grants: list[str], until: float) -> int:
    """Return how many times one connection read and wrote until then."""
    done = 0
    url = os.environ["DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while perf_counter() < until:
            grant = grants[done % len(grants)]
            await (await connection.execute(_SELECT, [grant])).fetchone()
            await connection.execute(_INSERT, [grant[:8], grant])
            done += 1
    return done


async def _run(seconds: float, connections: int) -> float:
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        found = await connection.execute("SELECT id FROM vault_grant LIMIT 1000")
        grants = [str(grant) for (grant,) in await found.fetchall()]
    until = perf_counter() + seconds
    done = await asyncio.gather(*(_pairs(grants, until) for _ in range(connections)))
    return sum(done) / seconds


def main() -> None:
    """Say how many pairs of statements a second."""
    seconds, connections = sys.argv[1:]
    say(uvloop.run(_run(float(seconds), int(connections))))


if __name__ == "__main__":
    main()
