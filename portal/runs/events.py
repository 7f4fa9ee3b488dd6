"""A run's events as server-sent events, on the data plane: a waiting tab holds no Django thread.

Who may read is decided as anywhere else on the site: by the session's sign-in, asked of the
database when the stream opens and again while it is open.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import redis
from asgiref.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
)
from django.http import HttpRequest, parse_cookie
from django.utils import translation

from core import database, inert, reference
from core.errors import AppError, InvalidRequest
from core.recent import FRESH_S
from core.wire import respond
from portal.errors import PageNotFound, SignInRequired
from portal.models import Run
from portal.runs import consent, parts, records, settled, shutdown, stream
from portal.selectors import run_of
from portal.signins import session_key_in, signin_of_key
from portal.timeline import Part, Text, from_json

log = logging.getLogger(__name__)

_PATH = re.compile(r"/api/v1/runs/(?P<run>[0-9a-f-]{36})/events/?")
# An id of a Redis stream: two numbers of 64 bits.
_EVENT_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_LARGEST = 2**64 - 1
_WAIT_S = 2.0
_LOOK_EVERY_S = 5.0
_KEEP_ALIVE_S = 15.0
_RETRY_MS = 1000
_GUARDS = [
    ("cache-control", "no-store"),
    *inert.HEADERS,
]
_HEADERS = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("x-accel-buffering", "no"),
]
# What is in the event of a part and not in the part; what a page is told of it beside the HTML.
_NO_PART = {"index", "url"}
_SAID = ("kind", "state", "agent", "provider")
_SIGNED_OUT = "signed_out"
_END = HTTPResponseBodyEvent(type="http.response.body", body=b"", more_body=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, by their session's key, for which run, and the language of their page."""

    session_key: str
    run_id: UUID
    language: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """A run that this person may see, as its row stands."""

    is_active: bool
    finished: dict[str, str]
    parts: list[Part]
    question: str


def run_id_in(path: str) -> UUID | None:
    """Return the run whose events `path` names, or None where it names none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    try:
        return UUID(match["run"])
    except ValueError:
        return None


async def application(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer with the events of one run, until it has finished or the tab is gone."""
    client = scope.get("client")
    reference.begin(client[0] if client else None)
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    run_id = run_id_in(scope["path"])
    try:
        if scope["method"] != "GET":
            raise InvalidRequest
        if run_id is None:
            raise PageNotFound
        after = _after(headers.get(b"last-event-id", ""))
        asked = _Asked(session_key_in(headers.get(b"cookie", "")), run_id, _language(headers))
        seen = await database.on_thread(_look, asked)
    except AppError as error:
        await _refuse(error, send)
        return
    await send(_start(200, _HEADERS))
    writing = asyncio.create_task(_write(asked, seen, after, send))
    others = (
        asyncio.create_task(_gone(receive)),
        asyncio.create_task(shutdown.begun().wait()),
    )
    try:
        await asyncio.wait({writing, *others}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (writing, *others):
            task.cancel()
        await asyncio.gather(writing, *others, return_exceptions=True)
    if shutdown.begun().is_set():
        await send(_END)  # the browser comes back, to another process or to this one's successor


async def _write(asked: _Asked, seen: _Seen, after: str, send: ASGISendCallable) -> None:
    try:
        async with aclosing(_lines(asked, seen, after)) as lines:
            async for line in lines:
                await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    except SignInRequired:
        # A definite word: the page takes the conversation off the screen.
        line = _line(_SIGNED_OUT, {})
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    except (redis.RedisError, AppError) as exc:
        # The stream ends here; the browser comes back, and then learns what there is to know.
        log.info("events.broke_off", extra={"failure": type(exc).__name__})
    await send(_END)


async def _lines(asked: _Asked, seen: _Seen, after: str) -> AsyncGenerator[str]:
    """Yield the stream's text, the run's last event included.

    Raises:
        redis.RedisError: Redis is away.
        SignInRequired, PageNotFound: the person may not read on.
    """
    yield f"retry: {_RETRY_MS}\n\n"
    looked_at = said_at = time.monotonic()
    while True:
        # What is over has said all: there is nothing to wait for.
        was_active = seen.is_active
        wait_s = _WAIT_S if was_active else 0.01
        found = await stream.read(asked.run_id, after=after, wait_s=wait_s)
        now = time.monotonic()
        # Before anything is told, whether they may still know it: a second later would be too late.
        if now - looked_at > (FRESH_S if found else _LOOK_EVERY_S):
            looked_at = now
            seen = await database.on_thread(_look, asked)
        for event in found:
            data = event.data
            if event.name == stream.PART:
                data = await database.on_thread(partial(_part_shown, asked, seen), data)
            yield f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n"
            if event.name == stream.FINISHED:
                return
            after, said_at = event.id, now
        if not was_active:
            yield await database.on_thread(partial(_from_row, asked), seen)
            return
        if now - said_at > _KEEP_ALIVE_S:
            said_at = now
            yield ": still here\n\n"


def _from_row(asked: _Asked, seen: _Seen) -> str:
    """Return what a tab needs of a run whose end Redis does not tell: the answer, and the end."""
    lines = []
    for number, part in enumerate(seen.parts):
        if isinstance(part, Text):
            blocks = enumerate(settled.blocks_of(part.text))
            lines += [
                _line(stream.BLOCK, {"part": number, "index": index, "html": html})
                for index, html in blocks
            ]
        else:
            told = json.dumps(parts.event_of(number, part))
            lines.append(_line(stream.PART, json.loads(_part_shown(asked, seen, told))))
    return "".join([*lines, _line(stream.FINISHED, seen.finished)])


def _part_shown(asked: _Asked, seen: _Seen, data: str) -> str:
    """Return the data of a part's event as a tab gets it: what is said of it, and its HTML."""
    event = json.loads(data)
    url = consent.url_in(asked.run_id, event)
    index, part = event["index"], from_json({k: v for k, v in event.items() if k not in _NO_PART})
    with translation.override(asked.language):
        html = parts.html_of(index, part, question=seen.question, url=url)
    told = {"index": index, **{name: event[name] for name in _SAID if name in event}, "html": html}
    return json.dumps(told, ensure_ascii=False)


def _line(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _look(asked: _Asked) -> _Seen:
    """Return the run as its row stands. Raises SignInRequired, PageNotFound."""
    signin = signin_of_key(asked.session_key)
    if signin is None:
        raise SignInRequired
    run: Run = run_of(signin.user, run_id=asked.run_id)
    return _Seen(
        run.is_active,
        records.finished_event(run),
        run.answer.timeline,
        run.question.text,
    )


def _language(headers: dict[bytes, str]) -> str:
    """Return the language in which the same browser is shown pages."""
    page = HttpRequest()
    page.COOKIES = parse_cookie(headers.get(b"cookie", ""))
    page.META["HTTP_ACCEPT_LANGUAGE"] = headers.get(b"accept-language", "")
    return translation.get_language_from_request(page)


def _after(last_event_id: str) -> str:
    """Return the id after which a tab reads on. Raises InvalidRequest: the site gave no such id."""
    if not last_event_id:
        return stream.START
    match = _EVENT_ID.fullmatch(last_event_id)
    if match is None or any(int(number) > _LARGEST for number in match.groups()):
        raise InvalidRequest(detail="Last-Event-ID")
    return last_event_id


async def _gone(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: respond.Headers) -> HTTPResponseStartEvent:
    """Return how an answer begins, with what each of them has."""
    each = [*_GUARDS, ("x-request-id", reference.current().id)]
    return {
        "type": "http.response.start",
        "status": status,
        "headers": respond.on_the_wire([*headers, *each]),
        "trailers": False,
    }


async def _refuse(error: AppError, send: ASGISendCallable) -> None:
    body = {"error": error.code, "message": str(error.message)}
    await send(_start(error.status, [("content-type", "application/json")]))
    await send(
        {"type": "http.response.body", "body": json.dumps(body).encode(), "more_body": False}
    )
