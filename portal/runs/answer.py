"""The answer of a run while it grows: its parts, and what of them the tabs have been sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from core import database
from portal.runs import markdown, parts, stream
from portal.runs.decoded import AnswerTooLong
from portal.timeline import Part, Text, Tool

# Some forty pages.
MAX_CHARS = 100_000
# At most this often a tab is sent a changed block.
_INTERVAL_S = 0.08
# A long block takes long to make: no more than this share of the time goes into it.
_MOST_BUSY = 0.2
# Who has been silent for so long may have waited for somebody.
_PAUSE_S = 1.0
# What an agent says of a tool may arrive a moment after what the tool does.
_TOLD_LATER = timedelta(seconds=1)


@dataclass(slots=True)
class _Writing:
    """The text part that is being written, and the blocks of it that were told."""

    index: int
    blocks: markdown.Blocks
    text: str = ""
    sent: list[tuple[str, str]] = field(default_factory=list)  # event id and HTML of each block


class Answer:
    """Collects what one run's agent says and does, and tells its stream what changed.

    A part is given its place when it begins, in the row that the vault's part also goes to, so that
    a page that is loaded later has the same order. HTML is made on a thread: what one agent writes
    must not hold up everybody else's requests.
    """

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id
        self._parts: dict[int, Part] = {}
        self._stored: dict[int, Part] = {}
        self._tools: dict[str, int] = {}
        self._used_since: dict[str, datetime] = {}
        self._tool_ended_at: datetime | None = None
        self._writing: _Writing | None = None
        self._size = 0
        self._asks = False
        self._last_words_at = 0.0
        self._ended_paragraph = False
        self._telling = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def parts(self) -> dict[int, Part]:
        """Return what this run's agent said and did so far, each with its place."""
        return dict(self._parts)

    @property
    def is_empty(self) -> bool:
        """Say whether the agent has not written a word, nor asked the person anything."""
        wrote = any(isinstance(p, Text) and p.text.strip() for p in self._parts.values())
        return not (wrote or self._asks)

    def note_asked(self) -> None:
        """Know that a card stands in the answer, which is not of this object's making."""
        self._asks = True

    async def add(self, text: str) -> None:
        """Take more of the text.

        Raises:
            AnswerTooLong: it is cut off; what fits is kept.
            RunOver, redis.RedisError: it cannot be put in its place.
        """
        text = _storable(text)
        if not text:
            return
        writing = await self._continued()
        if writing is None:
            # Nothing begins with empty lines.
            text = text.lstrip("\n")
        kept = text[: MAX_CHARS - self._size]
        if writing is None and kept:
            index = await self._place(Text(kept))
            writing = self._writing = _Writing(index, markdown.Blocks())
        elif writing is not None and self._ended_paragraph:
            writing.text = writing.text.rstrip("\n") + "\n\n"
        if writing is not None:
            writing.text += kept
            self._parts[writing.index] = Text(writing.text)
            self._ended_paragraph = False
        self._size += len(kept)
        self._news.set()
        if len(text) > len(kept):
            raise AnswerTooLong

    def end_paragraph(self) -> None:
        """Let whatever comes next begin a paragraph."""
        self._ended_paragraph = True

    async def start_tool(self, tool_id: str, title: str, name: str) -> None:
        """Show that the agent uses a tool, below what it has said. Raises as `add`."""
        await self.close_text()
        now = timezone.now()
        began = Tool(title, "running", name, began_at=now.isoformat())
        self._tools[tool_id] = await self._place(began)
        earliest = now - _TOLD_LATER
        self._used_since[tool_id] = max(earliest, self._tool_ended_at or earliest)
        await self._tell_tool(tool_id)

    async def call_tool(self, tool_id: str, shown_input: str) -> None:
        """Show what a tool is called with. Raises redis.RedisError."""
        tool = self._tool(tool_id)
        if tool is not None:
            await self._change_tool(tool_id, replace(tool, input=shown_input))

    async def end_tool(self, tool_id: str, *, succeeded: bool) -> None:
        """Show that a tool gave its result, and what was used meanwhile.

        Raises redis.RedisError.
        """
        tool = self._tool(tool_id)
        if tool is None:
            return
        now = self._tool_ended_at = timezone.now()
        find = partial(parts.used_meanwhile, since=self._used_since[tool_id], until=now)
        used = await database.on_thread(find, self._run_id)
        state = "done" if succeeded else "failed"
        ended = replace(tool, state=state, ended_at=now.isoformat(), used=used)
        await self._change_tool(tool_id, ended)

    @property
    def tools(self) -> dict[str, Tool]:
        """Return the tools that the agent used so far, by its own ids."""
        return {tool_id: tool for tool_id in self._tools if (tool := self._tool(tool_id))}

    def _tool(self, tool_id: str) -> Tool | None:
        part = self._parts.get(self._tools.get(tool_id, -1))
        return part if isinstance(part, Tool) else None

    async def _change_tool(self, tool_id: str, tool: Tool) -> None:
        self._parts[self._tools[tool_id]] = tool
        await self._tell_tool(tool_id)

    async def tell(self) -> None:
        """Append the blocks that changed since the last time. Raises redis.RedisError.

        Whoever cancels it does so between two rounds: one that was told and not noted would be told
        again.
        """
        await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self._telling:
            self._news.clear()
            writing = self._writing
            if writing is not None:
                html = await asyncio.to_thread(writing.blocks.update, writing.text)
                await self._send(writing, html)

    async def close_text(self) -> None:
        """Append what the whole text part, read at once, changes still, and end the part.

        Raises:
            redis.RedisError: it is ended, and not told.
        """
        async with self._telling:
            writing, self._writing = self._writing, None
            if writing is not None:
                await self._send(writing, await asyncio.to_thread(markdown.render, writing.text))

    async def keep_telling(self) -> None:
        """Tell of changes as they come, at a pace that a browser can follow; until cancelled."""
        while True:
            await self._news.wait()
            began = time.monotonic()
            await self.tell()
            took_s = time.monotonic() - began
            await asyncio.sleep(max(_INTERVAL_S, took_s / _MOST_BUSY))

    async def store(self) -> None:
        """Store the parts that changed since the last time."""
        changed = {n: part for n, part in self._parts.items() if self._stored.get(n) != part}
        if changed:
            await database.on_thread(partial(parts.store, self._run_id), changed)
            self._stored |= changed

    async def _continued(self) -> _Writing | None:
        """Return the text part that goes on, or None where what comes begins a new one.

        What comes after a pause stands below what others have placed meanwhile: the person
        connected a service, and then the agent goes on.
        """
        now = time.monotonic()
        paused = self._ended_paragraph or now - self._last_words_at > _PAUSE_S
        self._last_words_at = now
        if self._writing is not None and paused:
            placed = await database.on_thread(parts.length, self._run_id)
            if placed > self._writing.index + 1:
                await self.close_text()
        return self._writing

    async def _place(self, part: Part) -> int:
        index = await database.on_thread(partial(parts.place, self._run_id), part)
        self._parts[index] = self._stored[index] = part
        return index

    async def _tell_tool(self, tool_id: str) -> None:
        index = self._tools[tool_id]
        await stream.append(self._run_id, stream.PART, parts.event_of(index, self._parts[index]))

    async def _send(self, writing: _Writing, blocks: list[str]) -> None:
        # A link that is defined later may join two blocks: those that are gone are emptied.
        blocks = blocks + [""] * (len(writing.sent) - len(blocks))
        for index, html in enumerate(blocks):
            replaced: str | None = None
            if index < len(writing.sent):
                replaced, before = writing.sent[index]
                if before == html:
                    continue
            told: Mapping[str, Any] = {"part": writing.index, "index": index, "html": html}
            event_id = await stream.append(self._run_id, stream.BLOCK, told, replacing=replaced)
            writing.sent[index : index + 1] = [(event_id, html)]


def _storable(text: str) -> str:
    """Return `text` as it can be stored and its lines counted: no NUL, no lone surrogate."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
