"""A web socket is in a session, too: bound to who opened it, and closed when it is stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents import services, workload
from agents.keys import access_keys
from agents.models import Agent, RuntimeSession
from agents.people import person_switch
from agents.sessions.stopping import session_stop
from core.models import User
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.gateway.test_websocket import (  # noqa: F401 - fixtures
    SESSION,
    Connect,
    Socketed,
    connected,
    signed,
    socketed,
    talker,
    url_of,
)
from tests.agents.plane import Plane
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

CHOSEN = "chosen-by-a-client-" + "x" * 20
WAT = "X-Amz-Bedrock-AgentCore-Identity-WAT"


def test_a_session_that_is_stopped_closes_its_web_sockets_on_both_sides(
    connected: Connect,  # noqa: F811
    talker: Agent,  # noqa: F811
    socketed: Socketed,  # noqa: F811
) -> None:
    with connected(headers={SESSION: CHOSEN}) as client:
        client.send("hello")
        assert client.recv(10) == "hello"
        session = RuntimeSession.objects.get(agent_id=talker.agent_id, session_id=CHOSEN)

        session_stop(session=session, actor=ADMIN)

        with pytest.raises(ConnectionClosed):
            client.recv(10)
    socketed.closed.get(timeout=10)
    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "failed", "session_stopped")


def test_another_persons_session_opens_no_web_socket(
    connected: Connect,  # noqa: F811
    talker: Agent,  # noqa: F811
    socketed: Socketed,  # noqa: F811
    issuer: Issuer,
) -> None:
    with connected(headers={SESSION: CHOSEN}):
        socketed.taken.get(timeout=10)

        with pytest.raises(InvalidStatus) as refused:
            connected(issuer.token(sub="bob"), headers={SESSION: CHOSEN})

    assert refused.value.response.status_code == 403
    assert socketed.taken.empty()
    session = RuntimeSession.objects.get(agent_id=talker.agent_id, session_id=CHOSEN)
    assert session.owner_sub == "alice"


def _agent_off(agent: Agent) -> None:
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)


def _workload_off(agent: Agent) -> None:
    services.workload_identity_switch(identity=agent.workload_identity, enabled=False, actor=ADMIN)


def _person_off(agent: Agent) -> None:
    owner = RuntimeSession.objects.get(agent=agent).owner
    person = User.objects.get(iss=owner.iss, sub=owner.sub)
    person_switch(person=person, active=False, actor=ADMIN)


@pytest.mark.parametrize(
    ("switched_off", "reason"),
    [
        (_agent_off, "agent_disabled"),
        (_workload_off, "workload_disabled"),
        (_person_off, "person_disabled"),
    ],
)
def test_what_is_switched_off_closes_its_web_sockets(
    connected: Connect,  # noqa: F811
    talker: Agent,  # noqa: F811
    socketed: Socketed,  # noqa: F811
    switched_off: Callable[[Agent], None],
    reason: str,
) -> None:
    with connected() as client:
        client.send("hello")
        assert client.recv(10) == "hello"

        switched_off(talker)

        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    socketed.closed.get(timeout=10)
    assert waiting_for_end(talker)[-1] == ("agent.invocation.ended", "failed", reason)


@pytest.fixture
def calling(agent: Agent, upstream: SmallAgent) -> Agent:
    """Another agent, which calls for people and for itself."""
    return make_agent(f"{agent.name}_calling", url=upstream.url)


@pytest.mark.parametrize("switched_off", [_agent_off, _workload_off])
def test_so_does_whoever_called_through_an_agent_that_is_switched_off(
    connected: Connect,  # noqa: F811
    talker: Agent,  # noqa: F811
    calling: Agent,
    issuer: Issuer,
    switched_off: Callable[[Agent], None],
) -> None:
    identity = calling.workload_identity
    where = talker.versions.get(number=2).url
    asked = configured(issuer, url=where, allowed_workloads=(identity.name,))
    services.agent_configure(agent=talker, asked=asked, actor=ADMIN)
    wat = workload.issue(
        workload_id=identity.pk,
        workload_name=identity.name,
        subject=Subject(issuer.url, "alice"),
        invocation="a-call",
    ).reveal()

    with connected(headers={WAT: wat}) as client:
        client.send("hello")
        assert client.recv(10) == "hello"

        switched_off(calling)

        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert waiting_for_end(talker)[-1][2] == "workload_disabled"


def test_so_does_an_agent_of_its_own_key_that_is_switched_off(
    connected: Connect,  # noqa: F811
    plane: Plane,
    signed: Agent,  # noqa: F811
    calling: Agent,
) -> None:
    key, secret = access_keys.access_key_create(
        label="agent", workload_identity=calling.workload_identity, actor=ADMIN
    )
    url = url_of(plane, signed)
    headers = signed_headers(
        url.replace("ws:", "http:"), key_id=key.access_key_id, secret=secret, method="GET", body=b""
    )
    with connected(None, headers, url=url) as client:
        client.send("hello")
        assert client.recv(10) == "hello"

        _agent_off(calling)

        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
