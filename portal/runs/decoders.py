"""What agents answer, turned into what the site tells of a run.

An agent may answer JSON, text, or a stream of server-sent events whose data are text, JSON strings,
the events of a Strands agent, as they are or as its author trimmed them, or those of AG-UI. Nothing
it sends is trusted: sizes are bounded, and what is not understood is left out or ends the run.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from portal.runs.calls import Calls
from portal.runs.decoded import (
    AgentReportedError,
    AnswerTooLong,
    AnswerUnreadable,
    Break,
    Decoded,
    Interrupted,
    InterruptUnreadable,
    Snapshot,
    Text,
)
from portal.runs.interrupts import asks_in
from portal.runs.links import Links

_PLAIN = frozenset({"text/plain", "text/markdown"})
_MAX_LINE_CHARS = 4 << 20
MAX_WHOLE_BYTES = 4 << 20
# Where agents put the text of an answer that is one JSON object, in the order of preference.
_TEXT_KEYS = ("result", "response", "output", "answer", "message", "text", "completion", "content")


def decode(
    content_type: str,
    body: AsyncIterator[bytes],
    *,
    links: Links | None = None,
    calls: Calls | None = None,
) -> AsyncGenerator[Decoded]:
    """Return what `body` tells, as it tells it.

    With `links`, those are told that it finds; without, no link is more than text. `calls` are
    those that the agent told of before it asked something, and whose results it may tell now.

    Raises, some of it while it is read:
        AnswerUnreadable: not a kind of content that agents answer, or not what it says it is.
        AgentReportedError: the stream carries an error of the agent.
        AnswerTooLong: more than is kept.
        InterruptUnreadable: the agent asks something, and nobody could say what to answer.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        found = _event_stream(body, links, calls or Calls())
    elif kind == "application/json":
        found = _whole_json(body, links)
    elif kind in _PLAIN:
        found = _plain_text(body)
    else:
        raise AnswerUnreadable(detail=f"content type {kind[:64]!r}")
    # A piece of plain text ends wherever the network cut it.
    return found if links is None else _linked(found, links, in_pieces=kind in _PLAIN)


async def _linked(
    found: AsyncGenerator[Decoded], links: Links, *, in_pieces: bool
) -> AsyncGenerator[Decoded]:
    """Yield what was found, with the links in its text told apart from it."""
    async with aclosing(found) as decoding:
        async for decoded in decoding:
            if isinstance(decoded, Text):
                for each in links.in_text(decoded.text, in_pieces=in_pieces):
                    yield each
                continue
            for each in links.rest():
                yield each
            yield decoded
    for each in links.rest():
        yield each


async def _characters(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for chunk in body:
            if text := decoder.decode(chunk):
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise AnswerUnreadable(detail="not UTF-8") from None


async def _plain_text(body: AsyncIterator[bytes]) -> AsyncGenerator[Decoded]:
    async for text in _characters(body):
        yield Text(text)


async def _whole_json(body: AsyncIterator[bytes], links: Links | None) -> AsyncGenerator[Decoded]:
    raw = bytearray()
    async for chunk in body:
        raw += chunk
        if len(raw) > MAX_WHOLE_BYTES:
            raise AnswerTooLong
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise AnswerUnreadable(detail="not JSON") from None
    if isinstance(value, dict) and "error" in value:
        raise AgentReportedError
    yield Text(_text_of(value))
    for link in links.in_value(value) if links else ():
        yield link


def _text_of(value: Any) -> str:
    """Return the words of a JSON answer; where there are none to be found, the JSON itself."""
    words = _words_in(value)
    if words is not None:
        return words
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"


def _words_in(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        found = (_words_in(value[key]) for key in _TEXT_KEYS if key in value)
        return next((words for words in found if words is not None), None)
    if isinstance(value, list) and value:
        # The content blocks of a message (Bedrock's Converse API).
        blocks = [
            b["text"] for b in value if isinstance(b, dict) and isinstance(b.get("text"), str)
        ]
        return "\n\n".join(blocks) if blocks else None
    return None


async def _event_stream(
    body: AsyncIterator[bytes], links: Links | None, calls: Calls
) -> AsyncGenerator[Decoded]:
    strands = _Strands()
    agui = _Agui(calls)
    async for data in _events(body):
        for decoded in _one_event(data, strands, agui):
            yield decoded
        for link in links.in_event(data) if links else ():
            yield link
    for decoded in (*strands.rest(), *agui.rest()):
        yield decoded


async def _events(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the data of each server-sent event (HTML Living Standard section 9.2.6)."""
    data: list[str] = []
    size = 0
    async for line in _lines(body):
        if not line:
            if data:
                yield "\n".join(data)
            data, size = [], 0
        elif line.startswith("data:"):
            # The name counts too: an empty line of data is not for nothing.
            size += len(line)
            if size > _MAX_LINE_CHARS:
                raise AnswerTooLong
            data.append(line[5:].removeprefix(" "))
    if data:
        yield "\n".join(data)


async def _lines(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the lines, looking at each character once, however small the pieces are."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    under_way: list[str] = []
    size = 0
    async for text in _characters(body):
        first, *others = newlines.decode(text).split("\n")
        under_way.append(first)
        size += len(first)
        if others:
            *whole, last = "".join(under_way), *others
            under_way, size = [last], len(last)
            for line in whole:
                yield line
        if size > _MAX_LINE_CHARS:
            raise AnswerTooLong
    rest = "".join(under_way) + newlines.decode("", final=True)
    for line in rest.split("\n"):
        yield line


def _one_event(data: str, strands: _Strands, agui: _Agui) -> Iterator[Decoded]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        yield Text(data)
        return
    if isinstance(value, str):
        yield Text(value)
    elif isinstance(value, dict) and agui.knows(value):
        yield from agui.decode(value)
    elif isinstance(value, dict):
        yield from strands.decode(value)


class _Strands:
    """The events of a Strands agent, in the raw form of the model and in Strands' own.

    An agent that passes everything on says each word twice, as {"event": {"contentBlockDelta": …}}
    and as {"data": …}. The form that comes first is the one that counts.
    """

    def __init__(self) -> None:
        self._form = ""
        # Whose input the pieces are that the model writes.
        self._called: Any = None
        self._spoke = False
        self._whole: str | None = None
        self._calls = Calls()

    def decode(self, event: dict[str, Any]) -> Iterator[Decoded]:
        """Yield what one event tells. Raises AgentReportedError."""
        if "error" in event:
            raise AgentReportedError
        handlers: dict[str, Callable[[Any], Iterator[Decoded]]] = {
            "event": self._model_event,
            "data": self._data,
            "current_tool_use": self._tool_use,
            "message": self._message,
            "result": self._result,
        }
        for name, handler in handlers.items():
            if name in event:
                yield from handler(event[name])

    def rest(self) -> Iterator[Decoded]:
        """Yield the answer that came whole, if it came in no other way."""
        if not self._spoke and self._whole:
            yield Text(self._whole)

    def _speak(self, form: str, text: Any) -> Iterator[Decoded]:
        if not isinstance(text, str) or not text:
            return
        self._form = self._form or form
        if self._form == form:
            self._spoke = True
            yield Text(text)

    def _model_event(self, value: Any) -> Iterator[Decoded]:
        event = value if isinstance(value, dict) else {}
        yield from self._speak("event", _at(event, "contentBlockDelta", "delta", "text"))
        if use := _at(event, "contentBlockStart", "start", "toolUse"):
            self._called = _at(use, "toolUseId")
            yield from self._tool_use(use)
        self._calls.take(self._called, _at(event, "contentBlockDelta", "delta", "toolUse", "input"))
        if "contentBlockStop" in event:
            yield from self._calls.tell(self._called)
            self._called = None
        if "messageStop" in event:
            yield Break()

    def _data(self, value: Any) -> Iterator[Decoded]:
        yield from self._speak("data", value)

    def _tool_use(self, value: Any) -> Iterator[Decoded]:
        yield from self._calls.start(_at(value, "toolUseId"), _at(value, "name"))
        self._calls.put(_at(value, "toolUseId"), _at(value, "input"))

    def _message(self, value: Any) -> Iterator[Decoded]:
        if isinstance(value, str):
            self._whole = value
            return
        content = _at(value, "content")
        for block in content if isinstance(content, list) else []:
            use, result = _at(block, "toolUse"), _at(block, "toolResult")
            self._calls.put(_at(use, "toolUseId"), _at(use, "input"))
            yield from self._calls.tell(_at(use, "toolUseId"))
            succeeded = _at(result, "status") != "error"
            yield from self._calls.end(_at(result, "toolUseId"), succeeded=succeeded)
        if _at(value, "role") == "assistant":
            self._whole = _words_in(content) or self._whole
            yield Break()

    def _result(self, value: Any) -> Iterator[Decoded]:
        self._whole = _words_in(value) or self._whole
        yield from ()


class _Agui:
    """The events of AG-UI. What is neither shown in a chat nor sent again is left out."""

    def __init__(self, calls: Calls) -> None:
        self._spoke = False
        self._whole: str | None = None
        self._calls = calls
        self._called: Any = None
        self._handlers: dict[str, Callable[[dict[str, Any]], Iterator[Decoded]]] = {
            "TEXT_MESSAGE_CONTENT": self._text,
            "TEXT_MESSAGE_CHUNK": self._text,
            "TEXT_MESSAGE_END": self._end_of_message,
            "TOOL_CALL_START": self._tool_started,
            "TOOL_CALL_ARGS": self._tool_input,
            "TOOL_CALL_END": self._tool_called,
            "TOOL_CALL_CHUNK": self._tool_started,
            "TOOL_CALL_RESULT": self._tool_ended,
            "MESSAGES_SNAPSHOT": self._snapshot,
            "STATE_SNAPSHOT": self._state,
            "RUN_FINISHED": self._finished,
        }

    def knows(self, event: dict[str, Any]) -> bool:
        """Say whether this is an event of AG-UI: their types alone are words in capitals."""
        kind = event.get("type")
        return isinstance(kind, str) and kind.isupper()

    def decode(self, event: dict[str, Any]) -> Iterator[Decoded]:
        """Yield what one event tells. Raises AgentReportedError."""
        if event["type"] == "RUN_ERROR":
            raise AgentReportedError
        handler = self._handlers.get(event["type"])
        if handler:
            yield from handler(event)

    def rest(self) -> Iterator[Decoded]:
        """Yield the answer that came in a snapshot, if it came in no other way."""
        if not self._spoke and self._whole:
            yield Text(self._whole)

    def _text(self, event: dict[str, Any]) -> Iterator[Decoded]:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._spoke = True
            yield Text(delta)

    def _end_of_message(self, event: dict[str, Any]) -> Iterator[Decoded]:
        yield Break()

    def _tool_started(self, event: dict[str, Any]) -> Iterator[Decoded]:
        yield from self._calls.start(event.get("toolCallId"), event.get("toolCallName"))
        # A chunk names its call once, and may hold the beginning of its input.
        self._called = event.get("toolCallId", self._called)
        self._calls.take(self._called, event.get("delta"))

    def _tool_input(self, event: dict[str, Any]) -> Iterator[Decoded]:
        self._calls.take(event.get("toolCallId"), event.get("delta"))
        yield from ()

    def _tool_called(self, event: dict[str, Any]) -> Iterator[Decoded]:
        yield from self._calls.tell(event.get("toolCallId"))

    def _tool_ended(self, event: dict[str, Any]) -> Iterator[Decoded]:
        yield from self._calls.end(event.get("toolCallId"), succeeded=True)

    def _snapshot(self, event: dict[str, Any]) -> Iterator[Decoded]:
        messages = event.get("messages")
        last = messages[-1] if isinstance(messages, list) and messages else None
        if _at(last, "role") == "assistant":
            self._whole = _words_in(_at(last, "content")) or self._whole
        if isinstance(messages, list):
            yield Snapshot("messages", messages)

    def _state(self, event: dict[str, Any]) -> Iterator[Decoded]:
        yield Snapshot("state", event.get("snapshot"))

    def _finished(self, event: dict[str, Any]) -> Iterator[Decoded]:
        outcome = event.get("outcome")
        if _at(outcome, "type") == "interrupt":
            yield Interrupted(asks_in(_at(outcome, "interrupts")))
        elif outcome == "interrupt":
            raise InterruptUnreadable(detail="the shape of a draft of AG-UI")


def _at(value: Any, *path: str) -> Any:
    """Return the member of nested objects that `path` names, or None."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
