"""A workload access token says by which groups the person was let in, and of no other group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents import workload
from agents.gateway.invocation import invoke
from agents.gateway.messages import Inbound
from agents.keys.callers import Caller
from agents.wire import tokens
from agents.workload import VerifiedWorkload
from core.secret import Secret
from core.wire.app import Call
from tests.agents.conftest import make_agent
from tests.agents.small_agent import small_agent
from tests.fixtures.issuer import Issuer
from tests.fixtures.loops import Run

pytestmark = pytest.mark.django_db(transaction=True)


async def _body() -> AsyncIterator[bytes]:
    yield b"{}"


async def _called(agent_id: str, token: str) -> int:
    inbound = Inbound(
        method="POST",
        raw_path=f"/runtimes/{agent_id}/invocations",
        query="",
        headers=(("authorization", f"Bearer {token}"),),
        body=_body(),
    )
    async with AsyncExitStack() as held:
        answer = await invoke(inbound, held=held)
        async for _ in answer.body:
            pass
        return answer.status


def test_the_gateway_says_by_which_groups(issuer: Issuer, staff: Group, run: Run[Any]) -> None:
    token = issuer.token(sub="bob", groups=["staff", "elsewhere"])
    with small_agent() as upstream:
        agent = make_agent(issuer=issuer, url=upstream.url, groups=[staff])

        assert run(_called(agent.agent_id, token)) == 200

        given = upstream.next_call().header("workloadaccesstoken") or ""
    assert workload.read(given).groups == frozenset({"staff"})


@pytest.mark.parametrize(
    ("asked", "groups"), [("userToken", frozenset({"staff"})), ("userId", None)]
)
def test_the_wire_api_says_by_which_groups(
    asked: str, groups: frozenset[str] | None, issuer: Issuer, staff: Group, run: Run[Any]
) -> None:
    agent = make_agent(issuer=issuer, groups=[staff])
    operation, given = {
        "userToken": (
            tokens.token_get_for_jwt,
            Secret(issuer.token(sub="bob", groups=["staff", "elsewhere"])),
        ),
        "userId": (tokens.token_get_for_user_id, "bob"),
    }[asked]
    name = agent.workload_identity.name
    call = Call("test", {"workloadName": name, asked: given}, Caller("KEY", None), "r", None)

    answer = run(operation(call))

    read: VerifiedWorkload = workload.read(answer["workloadAccessToken"].reveal())
    assert read.groups == groups
