"""The call to the agent itself, streamed both ways and bounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

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

    def __init__(self, chunks: AsyncIterator[bytes], *, length: int | None = None) -> None:
        self._chunks = chunks
        self.length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks. Raises TooLarge."""
        seen = 0
        async for chunk in self._chunks:
            seen += len(chunk)
            if seen > MAX_BODY_BYTES:
                raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
            yield chunk


@asynccontextmanager
async def opened(
    url: str,
    *,
    headers: Headers,
    body: Body,
    method: str = "POST",
    passing: frozenset[int] = frozenset(),
) -> AsyncIterator[Exchange]:
    """Yield the agent's answer once its head is there; leaving closes the connection.

    Raises:
        AgentUnreachable: there is no connection, or the address may not be reached.
        AgentFailed: it answered with a redirect or an error status that is not in `passing`, or
            with something that is not HTTP.
        TooLarge: the body turned out to be; the agent saw it break off.
    """
    asked = http.exchange(
        method,
        url,
        # Nothing is unpacked here, so that a small answer cannot become a large one.
        headers=[("User-Agent", "Daiko"), ("Accept-Encoding", "identity"), *headers],
        body=body,
        silence_s=_SILENCE_S,
    )
    async with AsyncExitStack() as held:
        try:
            answer = await held.enter_async_context(asked)
        except http.HttpRefused as exc:
            raise AgentUnreachable(
                "The agent's address may not be reached from here.", detail=exc.detail
            ) from None
        except http.HttpUnreachable as exc:
            raise AgentUnreachable("The agent does not answer.", detail=exc.detail) from None
        except http.HttpUnanswered as exc:
            raise AgentFailed("The agent did not answer as it should.", detail=exc.detail) from None
        if answer.status >= _REDIRECT and answer.status not in passing:
            what = f"Received error ({answer.status}) from the agent."
            if answer.status < _CLIENT_ERROR:
                what = "The agent answered with a redirect."
            raise AgentFailed(what, detail=f"status {answer.status}")
        yield answer


async def chunks(answer: Exchange) -> AsyncGenerator[bytes]:
    """Yield the answer's body as it arrives; closing this closes the connection.

    Raises:
        AgentFailed: it breaks off.
        TooLarge: the request's body turned out to be, while the agent answered already.
    """
    try:
        while chunk := await answer.read():
            yield chunk
    except http.HttpUnanswered as exc:
        raise AgentFailed("The agent's answer broke off.", detail=exc.detail) from None
    finally:
        answer.end()
