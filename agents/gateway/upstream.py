"""The call to the agent itself, streamed both ways and bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable

from core import http
from core.errors import TooLarge, UpstreamFailed
from core.http.connection import Exchange
from core.wire.respond import Headers

MAX_BODY_BYTES = 100 * 1024 * 1024  # the wire API's own limit

# An agent may think for a long time between two chunks; it may not keep a connection waiting
# for ever.
_SILENCE_S = 15 * 60.0
_REDIRECT, _CLIENT_ERROR = 300, 400


class AgentUnreachable(UpstreamFailed):
    """The agent's process does not answer."""

    code = "agent_unreachable"


class AgentFailed(UpstreamFailed):
    """The agent answered with an error status, or not as HTTP has it, or its answer broke off."""

    code = "agent_failed"


class Body:
    """A request's body as it comes, refused past the limit whatever its length said."""

    __slots__ = ("_chunks", "_seen", "length")

    def __init__(self, chunks: AsyncIterator[bytes], *, length: int | None = None) -> None:
        self._chunks = chunks
        self._seen = 0
        self.length = length

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself: a body is read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk. Raises TooLarge."""
        chunk = await anext(self._chunks)
        self._seen += len(chunk)
        if self._seen > MAX_BODY_BYTES:
            raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
        return chunk


async def asked(
    url: str,
    *,
    headers: Headers,
    body: Body,
    whose: Hashable,
    method: str = "POST",
    passing: frozenset[int] = frozenset(),
) -> Exchange:
    """Return the agent's answer once its head is there. Whoever gets it has to `end` it.

    Connections are kept for `whose` they are.

    Raises:
        AgentUnreachable: there is no connection, or the address may not be reached.
        AgentFailed: it answered with a redirect or an error status that is not in `passing`, or
            with something that is not HTTP.
        TooLarge: the body turned out to be; the agent saw it break off.
    """
    try:
        answer = await http.exchange(
            method,
            url,
            # Nothing is unpacked here, so that a small answer cannot become a large one.
            headers=[("User-Agent", "Daiko"), ("Accept-Encoding", "identity"), *headers],
            body=body,
            silence_s=_SILENCE_S,
            whose=whose,
        )
    except http.HttpRefused as exc:
        raise AgentUnreachable(
            "The agent's address may not be reached from here.", detail=exc.detail
        ) from None
    except http.HttpUnreachable as exc:
        raise AgentUnreachable("The agent does not answer.", detail=exc.detail) from None
    except http.HttpUnanswered as exc:
        raise AgentFailed("The agent did not answer as it should.", detail=exc.detail) from None
    if answer.status >= _REDIRECT and answer.status not in passing:
        answer.end()
        what = f"Received error ({answer.status}) from the agent."
        if answer.status < _CLIENT_ERROR:
            what = "The agent answered with a redirect."
        raise AgentFailed(what, detail=f"status {answer.status}")
    return answer


async def read(answer: Exchange) -> bytes:
    """Return what has come of the answer's body, and nothing once it has ended.

    Raises:
        AgentFailed: it breaks off.
        TooLarge: the request's body turned out to be, while the agent answered already.
    """
    try:
        return await answer.read()
    except http.HttpUnanswered as exc:
        raise AgentFailed("The agent's answer broke off.", detail=exc.detail) from None
