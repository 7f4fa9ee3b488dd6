"""Web sockets through the gateway: let in as invocations are, carried both ways, closed at once."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Queue
from typing import Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from agents import services, workload
from agents.keys import access_keys
from agents.models import Agent
from core.subject import Subject
from portal.asgi import application as whole_site
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import events
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.agents.signing import signed_headers
from tests.agents.small_agent import small_agent
from tests.fixtures.issuer import Issuer

BEARER = "base64UrlBearerAuthorization"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
Behaviour = Callable[[ServerConnection], None]


def echo(connection: ServerConnection) -> None:
    """Say everything again."""
    for message in connection:
        connection.send(message)


class Socketed:
    """An agent that takes web sockets and does what a test says."""

    def __init__(self) -> None:
        self.url = ""
        self.behaviour: Behaviour = echo
        self.taken: Queue[ServerConnection] = Queue()
        self.closed: Queue[int | None] = Queue()

    def handle(self, connection: ServerConnection) -> None:
        """Take one connection."""
        self.taken.put(connection)
        with suppress(ConnectionClosed):
            self.behaviour(connection)
        connection.close()
        self.closed.put(connection.close_code)


@pytest.fixture
def socketed() -> Iterator[Socketed]:
    agent = Socketed()
    with serve(agent.handle, "127.0.0.1", 0, subprotocols=None) as server:
        agent.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield agent
        server.shutdown()
        thread.join()


@pytest.fixture
def talker(agent: Agent, issuer: Issuer, socketed: Socketed) -> Agent:
    """The agent, which takes web sockets."""
    services.agent_configure(
        agent=agent,
        asked=configured(issuer, url=socketed.url, header_allowlist=("X-Tenant",)),
        actor=ADMIN,
    )
    return agent


def url_of(plane: Plane, agent: Agent, query: str = "") -> str:
    path = invocation_path(agent).removesuffix("/invocations") + "/ws"
    return plane.url.replace("http:", "ws:") + path + query


Connect = Callable[..., ClientConnection]


@pytest.fixture
def connected(plane: Plane, talker: Agent, issuer: Issuer) -> Connect:
    """Connect as alice, unless a token is given."""

    def connects(
        token: str | None = "", headers: dict[str, str] | None = None, **more: Any
    ) -> ClientConnection:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or issuer.token()}"
        url = more.pop("url", url_of(plane, talker))
        client: ClientConnection = connect(url, additional_headers=sent, **more)
        return client

    return connects


def subprotocols_of(token: str) -> list[str]:
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    return [f"{BEARER}.{encoded}", BEARER]


def refused(attempt: Callable[[], Any]) -> tuple[int, str, Any]:
    """Return status, error and headers of a handshake that was refused."""
    with pytest.raises(InvalidStatus) as caught:
        attempt()
    answer = caught.value.response
    return answer.status_code, answer.headers.get("x-amzn-errortype", ""), answer


def test_messages_pass_both_ways_and_the_end_is_on_record(
    connected: Connect, talker: Agent, socketed: Socketed
) -> None:
    with connected(headers={"X-Tenant": "t", "X-Other": "o"}) as client:
        client.send("text ✓")
        assert client.recv(5) == "text ✓"
        client.send(b"\x00\xff")
        assert client.recv(5) == b"\x00\xff"

    request = socketed.taken.get(timeout=5).request
    assert request is not None
    assert request.path == "/ws"
    token = workload.read(request.headers["WorkloadAccessToken"])
    assert token.subject is not None and token.subject.sub == "alice"
    assert request.headers["X-Tenant"] == "t"
    assert len(request.headers[SESSION]) >= 33
    assert request.headers.get("Authorization") is None
    assert request.headers.get("X-Other") is None
    assert socketed.closed.get(timeout=5) == 1000
    assert waiting_for_end(talker) == [
        ("agent.invocation", "allowed", ""),
        ("agent.invocation.ended", "allowed", ""),
    ]


def test_a_browser_shows_its_token_in_a_subprotocol(
    connected: Connect, issuer: Issuer, socketed: Socketed
) -> None:
    with connected(None, subprotocols=subprotocols_of(issuer.token())) as client:
        assert client.subprotocol == BEARER
        client.send("hello")
        assert client.recv(5) == "hello"

    request = socketed.taken.get(timeout=5).request
    assert request is not None
    assert request.headers.get("Sec-WebSocket-Protocol") is None


@pytest.mark.parametrize(
    "shown",
    [
        [f"{BEARER}.", BEARER],
        [f"{BEARER}.***", BEARER],
        [f"{BEARER}.YQ", f"{BEARER}.YQ", BEARER],
        [f"{BEARER}.gICA", BEARER],
    ],
)
def test_a_subprotocol_that_holds_no_token_is_refused(
    connected: Connect, socketed: Socketed, shown: list[str]
) -> None:
    status, error, _ = refused(lambda: connected(None, subprotocols=shown))

    assert (status, error) == (400, "ValidationException")
    assert socketed.taken.empty()


def test_two_tokens_are_refused(connected: Connect, issuer: Issuer, socketed: Socketed) -> None:
    shown = subprotocols_of(issuer.token())

    assert refused(lambda: connected(subprotocols=shown))[0] == 400
    assert socketed.taken.empty()


def test_without_a_token_it_says_where_to_get_one(
    connected: Connect, talker: Agent, socketed: Socketed
) -> None:
    status, error, answer = refused(lambda: connected(None))

    assert (status, error) == (401, "UnauthorizedException")
    assert answer.headers["www-authenticate"].startswith('Bearer resource_metadata="')
    assert json.loads(answer.body) == {"message": "Missing Authentication Token"}
    assert socketed.taken.empty()
    assert events(talker) == [("agent.invocation", "refused", "missing_token")]


def test_whoever_may_not_call_the_agent_may_not_connect_either(
    connected: Connect, plane: Plane, talker: Agent, issuer: Issuer, socketed: Socketed
) -> None:
    unknown = url_of(plane, talker).replace(talker.agent_id, "nobody-0000000000")

    assert refused(lambda: connected(issuer.token(sub="charlie")))[:2] == (
        404,
        "ResourceNotFoundException",
    )
    assert refused(lambda: connected(issuer.token(exp=1)))[0] == 401
    assert refused(lambda: connected(url=unknown))[0] == 404
    assert socketed.taken.empty()


def test_agents_of_other_protocols_take_none(
    connected: Connect, plane: Plane, agent: Agent, issuer: Issuer, socketed: Socketed
) -> None:
    mcp = make_agent(f"{agent.name}_mcp", issuer, url=socketed.url, protocol="MCP")
    a2a = make_agent(f"{agent.name}_a2a", issuer, url=socketed.url, protocol="A2A")

    assert refused(lambda: connected(url=url_of(plane, mcp)))[0] == 404
    assert refused(lambda: connected(url=url_of(plane, a2a)))[0] == 404
    assert socketed.taken.empty()


def test_the_session_may_be_named_in_the_query(
    connected: Connect, plane: Plane, talker: Agent, socketed: Socketed
) -> None:
    session = "a-session-that-is-named-in-the-query"
    with connected(url=url_of(plane, talker, f"?{SESSION}={session}")):
        pass

    request = socketed.taken.get(timeout=5).request
    assert request is not None
    assert request.headers[SESSION] == session


@pytest.mark.parametrize("value", ["bar%0d%0aX-Evil:%20y", "bar%0a", "%00", "%7f"])
def test_a_header_from_the_query_that_no_header_can_be_is_refused(
    connected: Connect, plane: Plane, agent: Agent, issuer: Issuer, value: str
) -> None:
    custom = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Foo"
    with small_agent() as far:
        named = {"header_allowlist": (custom,), "everyone": True}
        taking = make_agent(f"{agent.name}_taking", issuer, url=far.url, **named)

        url = url_of(plane, taking, f"?{custom}={value}")

        assert refused(lambda: connected(url=url))[:2] == (400, "ValidationException")
        assert far.connections == 0
    assert events(taking) == [("agent.invocation", "refused", "header_not_allowed")]


@pytest.fixture
def signed(agent: Agent, socketed: Socketed) -> Agent:
    """An agent that is called with access keys."""
    return make_agent(
        f"{agent.name}_signed",
        url=socketed.url,
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
    )


def test_a_program_connects_with_a_signature_in_headers_or_in_the_query(
    connected: Connect, plane: Plane, signed: Agent, socketed: Socketed
) -> None:
    row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    url = url_of(plane, signed)
    plain = url.replace("ws:", "http:")
    by_headers = signed_headers(
        plain,
        key_id=row.access_key_id,
        secret=secret,
        body=b"",
        method="GET",
        headers={"X-Amzn-Bedrock-AgentCore-Runtime-User-Id": "customer-7"},
    )
    request = AWSRequest("GET", plain)
    credentials = Credentials(row.access_key_id, secret.reveal())
    SigV4QueryAuth(credentials, "bedrock-agentcore", "us-east-1", expires=60).add_auth(request)

    by_query = str(request.url).replace("http:", "ws:", 1)
    for attempt in ({"headers": by_headers}, {"url": by_query}):
        with connected(None, **{"url": url, **attempt}) as client:
            client.send("hello")
            assert client.recv(5) == "hello"
    first = socketed.taken.get(timeout=5).request
    assert first is not None
    subject = workload.read(first.headers["WorkloadAccessToken"]).subject
    assert subject == Subject.opaque("customer-7")
    assert refused(lambda: connected(None, url=url))[0] == 403


def test_the_agent_closes_and_the_client_learns_it(
    connected: Connect, socketed: Socketed, talker: Agent
) -> None:
    def behaviour(connection: ServerConnection) -> None:
        connection.recv()
        connection.close(4321, "enough")

    socketed.behaviour = behaviour
    with connected() as client:
        client.send("close, please")
        with pytest.raises(ConnectionClosed):
            client.recv(5)
        assert client.close_code == 4321
    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "allowed", "")


def test_the_client_closes_and_the_agent_learns_it(connected: Connect, socketed: Socketed) -> None:
    with connected() as client:
        client.send("hello")
        client.recv(5)
        client.close(4000)

    assert socketed.closed.get(timeout=5) == 4000


def test_a_client_that_breaks_off_closes_the_way_and_is_on_record(
    connected: Connect, socketed: Socketed, talker: Agent
) -> None:
    with connected() as client:
        client.send("hello")
        client.recv(5)
        client.socket.shutdown(socket.SHUT_RDWR)
        assert socketed.closed.get(timeout=5) is not None

    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "allowed", "client_left")


def test_an_agent_that_breaks_off_is_said_and_on_record(
    connected: Connect, socketed: Socketed, talker: Agent
) -> None:
    def behaviour(connection: ServerConnection) -> None:
        connection.recv()
        connection.socket.close()

    socketed.behaviour = behaviour
    with connected() as client:
        client.send("break, please")
        with pytest.raises(ConnectionClosed):
            client.recv(5)
        assert client.close_code == 1011
    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


def test_an_agent_that_is_away_or_takes_no_web_socket_is_an_error_of_the_handshake(
    connected: Connect, agent: Agent, plane: Plane, issuer: Issuer, upstream: Any
) -> None:
    upstream.behaviour = lambda call: call.answer({"secret": "s3cret"}, status="403 No")
    plain = make_agent(f"{agent.name}_plain", issuer, url=upstream.url, everyone=True)
    away = make_agent(f"{agent.name}_away", issuer, url="http://127.0.0.1:9", everyone=True)

    for other, reason in ((plain, "agent_failed"), (away, "agent_unreachable")):
        status, error, answer = refused(lambda: connected(url=url_of(plane, other)))  # noqa: B023
        assert (status, error) == (424, "RuntimeClientError")
        assert b"s3cret" not in answer.body
        assert waiting_for_end(other)[-1] == ("agent.invocation.ended", "failed", reason)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_redirect_of_the_agent_is_its_failure_and_nobody_follows_it(
    connected: Connect, agent: Agent, plane: Plane, issuer: Issuer, host: str
) -> None:
    with small_agent(host) as elsewhere, small_agent() as redirecting:
        redirecting.behaviour = lambda call: call.answer(
            {}, status="302 Found", location=elsewhere.url
        )
        sending = make_agent(f"{agent.name}_sending", issuer, url=redirecting.url, everyone=True)

        status, error, answer = refused(lambda: connected(url=url_of(plane, sending)))

        assert (status, error) == (424, "RuntimeClientError")
        assert b"redirect" in answer.body
        assert elsewhere.connections == 0
    assert waiting_for_end(sending)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


def test_a_message_that_is_too_large_closes_both_sides(
    connected: Connect, socketed: Socketed, talker: Agent
) -> None:
    with connected(max_size=None) as client:
        client.send(b"x" * ((1 << 20) + 1))
        with pytest.raises(ConnectionClosed):
            client.recv(5)
        assert client.close_code == 1009
    assert socketed.closed.get(timeout=5) is not None
    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "failed", "message_too_large")


def test_a_reader_who_is_slow_holds_the_agent_up(connected: Connect, socketed: Socketed) -> None:
    sent = threading.Event()

    def behaviour(connection: ServerConnection) -> None:
        connection.recv()
        for _ in range(400):
            connection.send(b"x" * 500_000)
        sent.set()

    socketed.behaviour = behaviour
    with connected(max_size=None, max_queue=1) as client:
        client.send("begin")
        assert not sent.wait(2), "200 MB went somewhere although nobody reads"
        client.socket.shutdown(socket.SHUT_RDWR)
    assert socketed.closed.get(timeout=5) is not None


@pytest.mark.parametrize("path", ["/", "/runtimes/x/invocations", "/api/v1/agents", "/ws"])
def test_anywhere_else_there_is_no_web_socket(path: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": []}
    asyncio.run(whole_site(scope, receive, send))

    assert [message["type"] for message in sent] == ["websocket.close"]
