"""A body that a signature covers: read whole, with its hash, before anything is passed on."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import IO

from core.errors import InvalidRequest, Throttled

_IN_MEMORY_BYTES = 1 << 20
_CHUNK_BYTES = 64 * 1024
_PAUSE_S = 30
# Large bodies that are read on no more than the id of a key: few at once, and not for ever. boto3
# states no hash, and so its calls are among them.
_ON_TRUST_OF_ONE, _ON_TRUST_OF_ALL = 2, 8
_ON_TRUST_S = 300.0
_on_trust: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class HashedBody:
    """A body that is there, whole; `sha256` is in hexadecimal."""

    sha256: str
    size: int
    chunks: AsyncIterator[bytes]


async def read(
    body: AsyncIterable[bytes], *, held: AsyncExitStack, on_word_of: str | None = None
) -> HashedBody:
    """Return the body once it is whole: in memory up to a mebibyte, and in a file beyond.

    The file has no name, and `held` closes it; it is written and read beside the event loop. How
    long a body may be, it bounds itself. `on_word_of` is the id of the access key where nothing
    else is known of who sends it: then what goes into files is bounded.

    Raises:
        Throttled: there are enough such files by now.
        InvalidRequest: nothing comes for half a minute, or it takes more than five of them on
            somebody's word; or whatever `body` raises.
    """
    kept = held.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115 (held closes it)
    digest, chunks, size = sha256(), aiter(body), 0
    clock, ends_at = asyncio.get_running_loop().time, math.inf
    with ExitStack() as trusting:
        while True:
            try:
                async with asyncio.timeout_at(min(clock() + _PAUSE_S, ends_at)):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise InvalidRequest("The body does not come.", reason="CannotParse") from None
            if chunk is None:
                return HashedBody(digest.hexdigest(), size, _chunks_of(kept, size))
            was, size = size, size + len(chunk)
            if on_word_of is not None and was <= _IN_MEMORY_BYTES < size:
                trusting.enter_context(_trusted(on_word_of))
                ends_at = clock() + _ON_TRUST_S
            digest.update(chunk)
            if size > _IN_MEMORY_BYTES:
                await asyncio.to_thread(kept.write, chunk)
            else:
                kept.write(chunk)


@contextmanager
def _trusted(key_id: str) -> Iterator[None]:
    """Count a large body for as long as the block runs.

    Raises:
        Throttled: there are enough, of this key or of all.
    """
    if _on_trust[key_id] >= _ON_TRUST_OF_ONE or _on_trust.total() >= _ON_TRUST_OF_ALL:
        raise Throttled(
            "Too many large bodies without X-Amz-Content-SHA256 come at once. Try again in a "
            "moment, or state the hash and sign it.",
            detail=f"key {key_id}",
        )
    _on_trust[key_id] += 1
    try:
        yield
    finally:
        _on_trust[key_id] -= 1
        if not _on_trust[key_id]:
            del _on_trust[key_id]


async def _chunks_of(kept: IO[bytes], size: int) -> AsyncIterator[bytes]:
    kept.seek(0)
    is_file = size > _IN_MEMORY_BYTES
    while chunk := (
        await asyncio.to_thread(kept.read, _CHUNK_BYTES) if is_file else kept.read(_CHUNK_BYTES)
    ):
        yield chunk
