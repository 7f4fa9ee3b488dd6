"""A body that a signature covers: read whole, with its hash, before anything is passed on."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import IO

from core.errors import InvalidRequest

_IN_MEMORY_BYTES = 1 << 20
_CHUNK_BYTES = 64 * 1024
_PAUSE_S = 30


@dataclass(frozen=True, slots=True)
class HashedBody:
    """A body that is there, whole; `sha256` is in hexadecimal."""

    sha256: str
    size: int
    chunks: AsyncIterator[bytes]


async def read(body: AsyncIterable[bytes], *, held: AsyncExitStack) -> HashedBody:
    """Return the body once it is whole: in memory up to a mebibyte, and in a file beyond.

    The file has no name, and `held` closes it. How long a body may be, it bounds itself.

    Raises:
        InvalidRequest: nothing comes for half a minute; or whatever `body` raises.
    """
    kept = held.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115 (held closes it)
    digest, chunks = sha256(), aiter(body)
    while True:
        try:
            async with asyncio.timeout(_PAUSE_S):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise InvalidRequest("The body does not come.", reason="CannotParse") from None
        if chunk is None:
            return HashedBody(digest.hexdigest(), kept.tell(), _chunks_of(kept))
        digest.update(chunk)
        kept.write(chunk)


async def _chunks_of(kept: IO[bytes]) -> AsyncIterator[bytes]:
    kept.seek(0)
    while chunk := kept.read(_CHUNK_BYTES):
        yield chunk
