"""The whole site as its server runs it: the ASGI application and its lifespan, on its own loop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.test import Client

from portal.asgi import application

T = TypeVar("T")
PATIENCE_S = 15.0


@dataclass(frozen=True)
class Seen:
    """One server-sent event, as a tab gets it."""

    id: str
    name: str
    data: dict[str, Any]


@dataclass
class Got:
    """An HTTP answer; of a stream, as much as was read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def events(self) -> list[Seen]:
        found = []
        for part in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
            if "event" in fields:
                data = json.loads(fields["data"])
                found.append(Seen(fields.get("id", ""), fields["event"], data))
        return found

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]

    def parts(self, kind: str) -> list[dict[str, Any]]:
        """Return what was told of parts of this kind, without the HTML."""
        told = [part for part in self.named("part") if part["kind"] == kind]
        return [{name: part[name] for name in part if name != "html"} for part in told]

    @property
    def blocks(self) -> list[str]:
        """Return the answer as a tab shows it that has seen these events."""
        shown: dict[tuple[int, int], str] = {}
        for block in self.named("block"):
            shown[block["part"], block["index"]] = block["html"]
        return [shown[index] for index in sorted(shown) if shown[index]]


def ended(status: str, **told: str) -> dict[str, str]:
    """Return the data of the last event of a run."""
    nothing = {"code": "", "notice": "", "reference": "", "again": "", "closed": ""}
    return {"status": status, **nothing, **told}


class Site:
    """A running site."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, run where the site runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def ask(
        self,
        path: str,
        visitor: Client | None = None,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        until: Callable[[Got], bool] = lambda got: False,
    ) -> Got:
        """Return the answer to a request of `visitor`; leave it as soon as `until` says so."""
        sent = {**(headers or {}), **_cookies_of(visitor)}
        return self.run(_ask(path, method, sent, until))

    def watch(self, run: dict[str, Any], visitor: Client) -> Future[Got]:
        """Return what a tab will get of a run, whose events have begun to come."""
        begun = threading.Event()

        def note(got: Got) -> bool:
            if got.events:
                begun.set()
            return False

        work = _ask(run["events"], "GET", _cookies_of(visitor), note)
        watching = asyncio.run_coroutine_threadsafe(work, self._loop)
        assert begun.wait(PATIENCE_S)
        return watching

    def events(self, run: dict[str, Any], visitor: Client, **options: Any) -> Got:
        """Return what a tab of `visitor` gets of a run, to its end."""
        return self.ask(run["events"], visitor, **options)


def _cookies_of(visitor: Client | None) -> dict[str, str]:
    if visitor is None:
        return {}
    cookies = [f"{name}={morsel.value}" for name, morsel in visitor.cookies.items()]
    return {"cookie": "; ".join(cookies)}


async def _ask(
    path: str, method: str, headers: dict[str, str], until: Callable[[Got], bool]
) -> Got:
    got, left = Got(), asyncio.Event()
    bare, _, query = path.partition("?")

    async def receive() -> dict[str, Any]:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            got.status = message["status"]
            got.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
        else:
            got.body += message.get("body", b"")
            if until(got):
                left.set()

    asked = asyncio.Event()
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in {"host": "testserver", **headers}.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "state": {},
        "extensions": {},
    }
    async with asyncio.timeout(PATIENCE_S):
        await application(scope, receive, send)  # type: ignore[arg-type]  # as servers call it
    return got


@contextmanager
def running_site() -> Iterator[Site]:
    """Run the site, as a server does between startup and shutdown."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="site")
    thread.start()
    site = Site(loop)
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    living = asyncio.run_coroutine_threadsafe(
        application(scope, told.get, said.put),  # type: ignore[arg-type]  # as servers call it
        loop,
    )

    def tell(word: str) -> None:
        site.run(told.put({"type": f"lifespan.{word}"}))
        assert site.run(said.get())["type"] == f"lifespan.{word}.complete"

    tell("startup")
    try:
        yield site
    finally:
        tell("shutdown")
        living.result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def soon(condition: Callable[[], T]) -> T:
    """Return what `condition` returns once that is true."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < give_up_at, "it never came to be"
        time.sleep(0.02)
    return found
