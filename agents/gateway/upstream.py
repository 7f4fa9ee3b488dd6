"""The call to the agent itself, streamed both ways and bounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from core import http
from core.errors import AppError, TooLarge, UpstreamFailed
from core.wire.respond import Headers

MAX_BODY_BYTES = 100 * 1024 * 1024  # the wire API's own limit

# An agent may think for a long time between two chunks; it may not keep a connection waiting
# for ever.
_CONNECT_S = 5.0
_SILENCE_S = 15 * 60.0
_REDIRECT, _CLIENT_ERROR = 300, 400


class AgentUnreachable(UpstreamFailed):
    """The agent's process does not answer."""

    code = "agent_unreachable"


class AgentFailed(UpstreamFailed):
    """The agent answered with an error status, or not as HTTP has it, or its answer broke off."""

    code = "agent_failed"


class Body:
    """A request's body as it comes, refused past the limit whatever its length said.

    The client library turns what goes wrong here into an error of its own, so it is kept.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, length: int | None = None) -> None:
        self._chunks = chunks
        self.length = length
        self.sent = False
        self.refused: AppError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks. Raises TooLarge."""
        seen = 0
        async for chunk in self._chunks:
            seen += len(chunk)
            if seen > MAX_BODY_BYTES:
                self.refused = TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
                raise self.refused
            # Of a body whose length is known, nobody may ask for more than that.
            self.sent = seen == self.length
            yield chunk
        self.sent = True


@asynccontextmanager
async def opened(
    url: str, *, headers: Headers, body: Body
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the agent's answer once its head is there; leaving closes the connection.

    Raises:
        AgentUnreachable: there is no connection, or the address may not be reached.
        AgentFailed: it answered with an error status, a redirect, or something that is not HTTP.
        TooLarge: the body turned out to be; the agent saw it break off.
    """
    length = [] if body.length is None else [("Content-Length", str(body.length))]
    try:
        answer = await http.session().post(
            http.check_url(url),
            headers=[*headers, *length],
            data=aiter(body),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
            ),
        )
    except http.HttpRefused as exc:
        raise AgentUnreachable(
            "The agent's address may not be reached from here.", detail=exc.detail
        ) from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
        raise AgentUnreachable("The agent does not answer.", detail=type(exc).__name__) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise body.refused or AgentFailed(
            "The agent did not answer as it should.", detail=type(exc).__name__
        ) from None
    try:
        if answer.status >= _CLIENT_ERROR:
            raise AgentFailed(
                f"Received error ({answer.status}) from the agent.",
                detail=f"status {answer.status}",
            )
        if answer.status >= _REDIRECT:
            raise AgentFailed(
                "The agent answered with a redirect.", detail=f"status {answer.status}"
            )
        yield answer
    finally:
        _let_go(answer, body)


async def chunks(answer: aiohttp.ClientResponse, body: Body) -> AsyncGenerator[bytes]:
    """Yield the answer's body as it arrives; closing this closes the connection.

    Raises:
        AgentFailed: it breaks off.
        TooLarge: the request's body turned out to be, while the agent answered already.
    """
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise body.refused or AgentFailed(
            "The agent's answer broke off.", detail=type(exc).__name__
        ) from None
    finally:
        _let_go(answer, body)


def _let_go(answer: aiohttp.ClientResponse, body: Body) -> None:
    """Keep the connection where both sides said all they had to, and close it otherwise.

    An answer that nobody reads must stop being made, and so must a request.
    """
    if body.sent and answer.content.at_eof():
        answer.release()
    else:
        answer.close()
