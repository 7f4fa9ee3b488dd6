"""An agent as a developer writes it: every decorator of the SDK, and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from bedrock_agentcore import BedrockAgentCoreApp
from bedrock_agentcore.identity import requires_access_token, requires_api_key, requires_wat
from bedrock_agentcore.services.identity import IdentityClient

API = f"{os.environ['ACME_URL']}/api"
app = BedrockAgentCoreApp()
links: asyncio.Queue[str] = asyncio.Queue()


@requires_access_token(
    provider_name="my-calendar",
    scopes=["calendar.read"],
    auth_flow="USER_FEDERATION",
    on_auth_url=links.put_nowait,
)
async def with_consent(*, access_token: str) -> list[str]:
    return titles(access_token)


@requires_access_token(
    provider_name="my-calendar", scopes=["calendar.read"], auth_flow="ON_BEHALF_OF_TOKEN_EXCHANGE"
)
async def on_behalf(*, access_token: str) -> list[str]:
    return titles(access_token)


@requires_access_token(provider_name="my-calendar", scopes=["status.read"], auth_flow="M2M")
def as_itself(*, access_token: str) -> str:
    return str(asked("/status", access_token)["status"])


@requires_api_key(provider_name="my-weather")
def api_key(*, api_key: str) -> str:
    return api_key


@requires_wat()
async def workload_token(*, identity_wat: str) -> str:
    client = IdentityClient(os.environ["AWS_REGION"])
    return await client.get_api_key(provider_name="my-weather", agent_identity_token=identity_wat)


def titles(access_token: str) -> list[str]:
    return [event["title"] for event in asked("/calendar/events", access_token)["events"]]


def asked(path: str, access_token: str) -> Any:
    bearer = {"Authorization": f"Bearer {access_token}"}
    return httpx.get(API + path, headers=bearer, timeout=10).raise_for_status().json()


ABLE_TO: dict[str, Callable[[], Any]] = {
    each.__name__: each for each in (with_consent, on_behalf, as_itself, api_key, workload_token)
}


@app.entrypoint
async def invoke(payload: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    doing = asyncio.create_task(done(ABLE_TO[payload["do"]]))
    link = asyncio.create_task(links.get())
    await asyncio.wait({doing, link}, return_when=asyncio.FIRST_COMPLETED)
    if link.done():
        yield {"link": link.result()}
    link.cancel()
    yield {"answer": await doing}


async def done(work: Callable[[], Any]) -> Any:
    answer = work()
    return await answer if isinstance(answer, Awaitable) else answer


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), host="127.0.0.1")
