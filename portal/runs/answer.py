"""The answer of a run while it grows: its text, and the blocks of it that tabs have been sent."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from portal.runs import markdown, stream
from portal.runs.decoders import AnswerTooLong

MAX_CHARS = 400_000
# At most this often a tab is sent a changed block.
_INTERVAL_S = 0.08
# A long block takes long to make: no more than this share of the time goes into it.
_MOST_BUSY = 0.2


class Answer:
    """Collects the text of one run and tells its stream which blocks changed.

    HTML is made on a thread: what one agent writes must not hold up everybody else's requests.
    """

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id
        self._text = ""
        self._ended_paragraph = False
        self._blocks = markdown.Blocks()
        self._sent: list[tuple[str, str]] = []  # event id and HTML of each block
        self._telling = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def text(self) -> str:
        """Return the markdown that came so far."""
        return self._text

    def add(self, text: str) -> None:
        """Take more of the text. Raises AnswerTooLong; what fits is kept."""
        if not text:
            return
        if self._ended_paragraph and self._text.strip():
            self._text = self._text.rstrip("\n") + "\n\n"
        self._ended_paragraph = False
        room = MAX_CHARS - len(self._text)
        self._text += _storable(text)[:room]
        self._news.set()
        if len(text) > room:
            raise AnswerTooLong

    def end_paragraph(self) -> None:
        """Let whatever comes next begin a paragraph."""
        self._ended_paragraph = True

    async def tell(self) -> None:
        """Append the blocks that changed since the last time. Raises redis.RedisError."""
        async with self._telling:
            self._news.clear()
            await self._send(await asyncio.to_thread(self._blocks.update, self._text))

    async def tell_whole(self) -> None:
        """Append what the whole text, read at once, changes still. Raises redis.RedisError."""
        async with self._telling:
            await self._send(await asyncio.to_thread(markdown.render, self._text))

    async def keep_telling(self) -> None:
        """Tell of changes as they come, at a pace that a browser can follow; until cancelled."""
        while True:
            await self._news.wait()
            began = time.monotonic()
            await self.tell()
            took_s = time.monotonic() - began
            await asyncio.sleep(max(_INTERVAL_S, took_s / _MOST_BUSY))

    async def _send(self, blocks: list[str]) -> None:
        # A link that is defined later may join two blocks: those that are gone are emptied.
        blocks = blocks + [""] * (len(self._sent) - len(blocks))
        for index, html in enumerate(blocks):
            replaced: str | None = None
            if index < len(self._sent):
                replaced, before = self._sent[index]
                if before == html:
                    continue
            event_id = await stream.append(
                self._run_id, "block", {"index": index, "html": html}, replacing=replaced
            )
            self._sent[index : index + 1] = [(event_id, html)]


def _storable(text: str) -> str:
    """Return `text` as it can be stored and its lines counted: no NUL, no lone surrogate."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
