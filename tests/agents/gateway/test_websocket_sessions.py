"""A web socket is in a session, too: bound to who opened it, and closed when it is stopped."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.models import Agent, RuntimeSession
from agents.sessions.stopping import session_stop
from tests.agents.conftest import ADMIN
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.gateway.test_websocket import (  # noqa: F401 - fixtures
    SESSION,
    Connect,
    Socketed,
    connected,
    socketed,
    talker,
)
from tests.fixtures.issuer import Issuer

CHOSEN = "chosen-by-a-client-" + "x" * 20


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
