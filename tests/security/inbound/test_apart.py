"""Whatever is asked for in whatever order: a token names its own identity and its own person."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import issuers, services, snapshot, workload
from agents.keys.callers import Caller
from agents.models import Agent
from agents.wire import tokens
from core.errors import AppError
from core.models import AuditEvent
from core.secret import Secret
from core.subject import OPAQUE_ISSUER, Subject
from core.wire.app import Call
from tests.agents.conftest import ADMIN, make_agent, person
from tests.fixtures.issuer import Issuer
from tests.fixtures.loops import Run

pytestmark = pytest.mark.django_db(transaction=True)

IDENTITIES = ("x", "y", "own")
HANDLERS = {
    "GetWorkloadAccessToken": tokens.token_get,
    "GetWorkloadAccessTokenForJWT": tokens.token_get_for_jwt,
    "GetWorkloadAccessTokenForUserId": tokens.token_get_for_user_id,
}
asked = st.tuples(
    st.sampled_from(sorted(HANDLERS)),
    st.sampled_from((None, *IDENTITIES)),  # whose key
    st.sampled_from(IDENTITIES),  # for which identity
    st.sampled_from(("alice", "bob")),
)
Step = tuple[str, str | None, str, str]


@pytest.fixture
def agents(issuer: Issuer, settings: Any) -> dict[str, Agent | None]:
    """Agent x for alice, agent y for bob, and an identity that belongs to neither."""
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    alice, bob = person("alice", issuer.url), person("bob", issuer.url)
    services.workload_identity_create(name="own", actor=ADMIN)
    return {
        "x": make_agent("x", issuer, people=[alice]),
        "y": make_agent("y", issuer, people=[bob]),
        "own": None,
    }


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(asked, min_size=4, max_size=16))
def test_no_key_gets_at_another_identity_and_nobody_acts_for_somebody_else(
    steps: list[Step], agents: dict[str, Agent | None], issuer: Issuer, run: Run[Any]
) -> None:
    names = {short: found.agent_id if found else short for short, found in agents.items()}
    tokens = {name: issuer.token(sub=name) for name in ("alice", "bob")}
    since = AuditEvent.objects.count()

    async def take(step: Step) -> str | None:
        operation, holder, identity, who = step
        call = Call(
            operation=operation,
            input={
                "workloadName": names[identity],
                "userToken": Secret(tokens[who]),
                "userId": who,
            },
            caller=Caller("AKIA", names[holder] if holder else None),
            request_id="r",
            client_ip=None,
        )
        try:
            answer = await HANDLERS[operation](call)
        except AppError:
            return None
        token: str = answer["workloadAccessToken"].reveal()
        return token

    async def all_at_once() -> list[str | None]:
        return await asyncio.gather(*(take(step) for step in steps))

    snapshot.forget()
    issuers.forget()
    answers = run(all_at_once())

    for (operation, holder, identity, who), token in zip(steps, answers, strict=True):
        foreign = holder is not None and holder != identity
        not_theirs = operation.endswith("ForJWT") and (identity, who) in {
            ("x", "bob"),
            ("y", "alice"),
        }
        assert (token is None) is (foreign or not_theirs)
        if token is None:
            continue
        verified = workload.read(token)
        assert verified.workload_name == names[identity]
        assert (
            verified.subject
            == {
                "GetWorkloadAccessToken": None,
                "GetWorkloadAccessTokenForJWT": Subject(issuer.url, who),
                "GetWorkloadAccessTokenForUserId": Subject(OPAQUE_ISSUER, who),
            }[operation]
        )
    assert AuditEvent.objects.count() - since == len(steps)
