"""Official clients of MCP, A2A and AG-UI at the demo's agents, as bob, who consents on the way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import httpx2
import psycopg
import pytest
from a2a.client import A2ACardResolver, ClientConfig, create_client
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import AgentCard, Role, SendMessageRequest, TaskState
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from mcp.types import CallToolResult
from pydantic import AnyUrl

from tests.demo_agents.processes import environment_of, free_port
from tests.fixtures.browsing import query_of
from tests.fixtures.world import CHECKOUT, World
from tests.sdk import people
from tests.sdk.scripts import JAVASCRIPT, NODE, documented, install, run

BOBS = "Quarterly review with Priya"
QUESTION = "When am I free today?"
FREE = "you are free from 09:00 to 09:30, from 09:45 to 10:00"
PATIENCE_S = 60

Allow = Callable[[str], Any]


@pytest.fixture
def allow(bob: httpx.Client, world: World) -> Allow:
    """Let bob, who has allowed nothing yet, follow a consent link and allow."""
    people.disconnect_all(bob)
    return lambda link: people.allow(bob, world, "bob", link)


@pytest.fixture
def token(bob: httpx.Client, world: World) -> str:
    return people.token_of(bob, world)


@pytest.fixture
def today() -> str:
    """The day in UTC, which is how Acme keeps its calendars."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def completed(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await work

    return asyncio.run(bounded())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def text_of(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if block.type == "text")


async def with_tools(world: World, token: str, work: Any, mode: str = "auto") -> Any:
    """Return what `work` returns with a client of the calendar tools."""
    url = world.agent("calendar_tools")["url"]
    async with (
        httpx2.AsyncClient(headers=bearer(token), timeout=PATIENCE_S) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        return await work(client)


# Both eras of MCP: requests on their own, and sessions with a handshake.
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_mcp_client_is_told_where_to_consent_and_reads_the_persons_calendar_in_the_same_call(
    world: World, token: str, allow: Allow, today: str, mode: str
) -> None:
    async def work(client: Client) -> Any:
        listed = await client.list_tools()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            assert message
            await asyncio.to_thread(allow, message)

        result = await client.call_tool(
            "list_calendar_events", {"day": today}, progress_callback=on_progress
        )
        again = await client.call_tool("list_calendar_events", {"day": today})
        return [tool.name for tool in listed.tools], result, again

    names, result, again = completed(with_tools(world, token, work, mode))

    assert names == ["list_calendar_events"]
    assert BOBS in [event["title"] for event in result.structured_content["result"]]
    assert again.structured_content == result.structured_content


def test_an_mcp_client_without_progress_gets_the_link_as_the_answer(
    world: World, token: str, allow: Allow, today: str
) -> None:
    async def work(client: Client) -> Any:
        first = await client.call_tool("list_calendar_events", {"day": today})
        link = next(word for word in text_of(first).split() if "/oauth2/authorize?" in word)
        await asyncio.to_thread(allow, link)
        return first, await client.call_tool("list_calendar_events", {"day": today})

    first, second = completed(with_tools(world, token, work))

    assert first.is_error
    assert BOBS in [event["title"] for event in second.structured_content["result"]]


def test_an_mcp_client_learns_that_the_person_denied(
    world: World, token: str, bob: httpx.Client, today: str
) -> None:
    people.disconnect_all(bob)

    async def work(client: Client) -> Any:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            assert message
            await asyncio.to_thread(people.deny, bob, world, "bob", message)

        return await client.call_tool(
            "list_calendar_events", {"day": today}, progress_callback=on_progress
        )

    result = completed(with_tools(world, token, work))

    assert result.is_error
    assert "Without it I cannot tell you" in text_of(result)
    assert "Nothing is connected" in bob.get("/connections/").text


class Registered:
    """What an MCP client keeps that is registered at the issuer, and has no token yet."""

    def __init__(self, program: dict[str, str]) -> None:
        self.program = program
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull:
        return OAuthClientInformationFull(
            client_id=self.program["client_id"],
            redirect_uris=[AnyUrl(self.program["redirect_uri"])],
            token_endpoint_auth_method="none",
        )

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("it is registered already")


def test_an_mcp_client_finds_by_itself_where_to_sign_in(world: World, bob: httpx.Client) -> None:
    url, program = world.agent("calendar_tools")["url"], world.facts["idp"]["program"]
    came_back: dict[str, str] = {}

    async def sign_in(link: str) -> None:
        answer = await asyncio.to_thread(bob.get, link, follow_redirects=False)
        came_back.update(query_of(answer))

    async def come_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=came_back["code"], state=came_back["state"], iss=came_back.get("iss")
        )

    async def work() -> list[str]:
        auth = OAuthClientProvider(
            server_url=url,
            client_metadata=OAuthClientMetadata(redirect_uris=[AnyUrl(program["redirect_uri"])]),
            storage=Registered(program),
            redirect_handler=sign_in,
            callback_handler=come_back,
        )
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE_S) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]

    assert completed(work()) == ["list_calendar_events"]


async def ask_scheduler(
    world: World, token: str, on_link: Allow, *, streaming: bool
) -> tuple[AgentCard, list[str]]:
    """Return the card that the client found, and what it heard of the answer."""
    url, heard = world.agent("scheduler")["url"], []
    async with httpx.AsyncClient(headers=bearer(token), timeout=PATIENCE_S) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        client = await create_client(card, ClientConfig(streaming=streaming, httpx_client=http))
        question = f"{QUESTION} And on 2030-01-01?"
        request = SendMessageRequest(message=new_text_message(question, role=Role.ROLE_USER))
        async for event in client.send_message(request):
            if event.HasField("artifact_update"):
                heard.append(get_artifact_text(event.artifact_update.artifact))
            elif event.HasField("task"):
                heard += [get_artifact_text(each) for each in event.task.artifacts]
            elif link := get_message_text(event.status_update.status.message):
                assert event.status_update.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
                await asyncio.to_thread(on_link, link)
    return card, heard


def test_an_a2a_client_finds_the_card_and_hears_the_answer_as_it_is_made(
    world: World, token: str, allow: Allow
) -> None:
    card, heard = completed(ask_scheduler(world, token, allow, streaming=True))
    _, at_once = completed(ask_scheduler(world, token, pytest.fail, streaming=False))

    assert [each.url for each in card.supported_interfaces] == [world.agent("scheduler")["url"]]
    today, later = heard
    assert FREE in today
    assert "1 January 2030**: you are free from 09:00 to 18:00." in later
    assert "".join(at_once).split() == "".join(heard).split()


def test_an_ag_ui_client_hears_the_answer_as_it_is_made(
    world: World, token: str, allow: Allow
) -> None:
    install()
    told = {"AGENT_URL": world.agent("planner")["url"], "TOKEN": token, "QUESTION": QUESTION}

    heard = run(
        [NODE, JAVASCRIPT / "agui.mjs"],
        cwd=JAVASCRIPT,
        env=environment_of(free_port(), told),
        on_link=allow,
    )

    kinds = [line.split()[0] for line in heard if line]
    assert kinds == [
        "RUN_STARTED",
        "TOOL_CALL_START",
        "TOOL_CALL_END",
        "Open",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
        "ANSWER",
    ]
    assert FREE in "\n".join(heard)


def test_the_trail_shows_the_chain_down_to_the_token(
    world: World, token: str, allow: Allow
) -> None:
    names = {name: world.agent(name)["workload_name"] for name in ("planner", "scheduler")}
    told = {"TOKEN": token}

    run(
        [sys.executable, "-m", "demo.ask", "--home", world.home, "planner", QUESTION],
        cwd=CHECKOUT,
        env=environment_of(free_port(), told),
        on_link=allow,
    )

    with psycopg.connect(world.database_url) as connection:
        [[detail, provider]] = connection.execute(
            "SELECT detail, provider FROM core_auditevent WHERE action = 'vault.token.released' "
            "AND agent = %s ORDER BY at DESC LIMIT 1",
            [world.agent("calendar_tools")["id"]],
        ).fetchall()
    assert provider == "acme-calendar"
    assert detail["chain"] == [names["scheduler"], names["planner"]]


@pytest.mark.parametrize(
    ("agent", "says"), [("planner", FREE), ("scheduler", FREE), ("calendar_tools", BOBS)]
)
def test_the_demos_own_command_signs_in_and_asks(
    world: World, bob: httpx.Client, allow: Allow, agent: str, says: str
) -> None:
    def follow(link: str) -> Any:
        return allow(link) if "/identities/" in link else bob.get(link)

    printed = run(
        [sys.executable, "-m", "demo.ask", "--home", world.home, agent, QUESTION],
        cwd=CHECKOUT,
        env=environment_of(free_port(), {}),
        on_link=follow,
    )

    assert sum(line.startswith("Open ") for line in printed) == 2
    assert says in "\n".join(printed)


DOCUMENTED = {
    "calendar_tools": ("Lists the tools of an MCP server", BOBS),
    "scheduler": ("Asks an A2A agent", FREE),
}


@pytest.mark.parametrize("agent", DOCUMENTED)
def test_the_documented_clients_run(
    world: World, bob: httpx.Client, allow: Allow, tmp_path: Path, agent: str
) -> None:
    script, says = DOCUMENTED[agent]
    command = [sys.executable, "-m", "demo.ask", "--home", str(world.home), "token"]
    env = environment_of(free_port(), {})
    *_, token = run(command, cwd=CHECKOUT, env=env, on_link=bob.get)
    copied = tmp_path / "client.py"
    copied.write_text(documented("python", script))
    told = {"AGENT_URL": world.agent(agent)["url"], "TOKEN": token}

    printed = run([sys.executable, str(copied)], cwd=tmp_path, env=env | told, on_link=allow)

    assert says in "\n".join(printed)


@pytest.mark.parametrize("agent", ["planner", "scheduler", "calendar_tools"])
def test_whoever_may_not_use_an_agent_gets_no_answer(world: World, agent: str) -> None:
    with people.signed_in(world, "charlie") as charlie:
        told = {"TOKEN": people.token_of(charlie, world)}

    with pytest.raises(AssertionError, match=r"404|There is no such agent or endpoint"):
        run(
            [sys.executable, "-m", "demo.ask", "--home", world.home, agent],
            cwd=CHECKOUT,
            env=environment_of(free_port(), told),
        )
