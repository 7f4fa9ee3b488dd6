"""The call to the agent itself, streamed both ways and bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from agents.gateway.messages import Headers
from core import http
from core.errors import UpstreamFailed

# An agent may think for a long time between two chunks; it may not keep a connection waiting
# for ever.
_CONNECT_S = 5.0
_SILENCE_S = 15 * 60.0
_CHUNK_BYTES = 64 * 1024


class AgentUnreachable(UpstreamFailed):
    """The agent's process does not answer."""

    code = "agent_unreachable"


class AgentFailed(UpstreamFailed):
    """The agent answered with an error status, or its answer broke off."""

    code = "agent_failed"


@asynccontextmanager
async def opened(
    url: str, *, headers: Headers, body: AsyncIterator[bytes]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the agent's answer once its head is there; leaving closes the connection.

    Raises:
        AgentUnreachable: there is no connection, or the address may not be reached.
        AgentFailed: it answered with an error status.
    """
    try:
        http.check_url(url)
        request = http.session().post(
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
            ),
        )
        answer = await request
    except http.HttpRefused as exc:
        raise AgentUnreachable(
            "The agent's address may not be reached from here.", detail=exc.detail
        ) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise AgentUnreachable("The agent does not answer.", detail=type(exc).__name__) from None
    try:
        if not answer.ok:
            raise AgentFailed(
                f"Received error ({answer.status}) from the agent.", detail=f"status {answer.status}"
            )
        if answer.status >= 300:  # noqa: PLR2004  (redirects are off)
            raise AgentFailed("The agent answered with a redirect.", detail=f"{answer.status}")
        yield answer
    finally:
        # Not released to the pool: an answer that was not read to its end must stop being made.
        answer.close()


async def chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the answer's body as it arrives. Raises AgentFailed when it breaks off."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise AgentFailed("The agent's answer broke off.", detail=type(exc).__name__) from None
