"""Who proves nothing is slowed down; who proves something is not, behind the same address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.keys import access_keys
from agents.models import Agent, WorkloadIdentity
from core.models import AuditEvent
from tests.agents.conftest import ADMIN
from tests.agents.gateway.conftest import events
from tests.agents.plane import Plane, Reply, invocation_path, running_plane
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

ALLOWED = 3
WIRE_PATH = "/identities/GetWorkloadAccessToken"
WRONG = {"authorization": "Bearer x"}
Knock = Callable[[], Reply]


@pytest.fixture
def strict(plane: Plane, tmp_path: Path) -> Iterator[Plane]:
    """A data plane of its own, which tells and records three refusals a minute."""
    with running_plane(tmp_path / "log", DAIKO_REFUSALS_PER_MINUTE=str(ALLOWED)) as running:
        yield running


def refused(knock: Knock, status: int) -> None:
    """Use the allowance up, and be told to come back later from then on."""
    assert [knock().status for _ in range(ALLOWED)] == [status] * ALLOWED
    for _ in range(4):
        reply = knock()
        assert (reply.status, reply.error) == (429, "ThrottlingException")
        assert 1 <= int(reply.headers["retry-after"]) <= 60 / ALLOWED
        assert "www-authenticate" not in reply.headers


def test_calls_of_agents_that_prove_nothing_are_slowed_down(
    strict: Plane, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    refused(lambda: strict.ask(invocation_path(agent), headers=WRONG), 403)

    forged = issuer.token(client_id="stranger")
    for headers in ({"authorization": f"Bearer {forged}"}, {"authorization": "Bearer x"}):
        assert strict.ask(invocation_path(agent), headers=headers).status == 429
    assert strict.ask(invocation_path(agent, "unknown")).status == 429
    assert events(agent) == [("agent.invocation", "refused", "malformed")] * ALLOWED
    assert upstream.calls == []


def test_who_shows_no_credentials_is_always_told_where_to_sign_in(
    strict: Plane, agent: Agent
) -> None:
    refused(lambda: strict.ask(invocation_path(agent), headers=WRONG), 403)

    replies = [strict.ask(invocation_path(agent)) for _ in range(ALLOWED + 1)]

    assert {reply.status for reply in replies} == {401}
    assert all("resource_metadata=" in reply.headers["www-authenticate"] for reply in replies)
    assert len(events(agent)) == ALLOWED


def test_calls_of_the_wire_api_that_prove_nothing_are_slowed_down(strict: Plane) -> None:
    newest = AuditEvent.objects.count()

    refused(lambda: strict.ask(WIRE_PATH), 403)

    assert AuditEvent.objects.count() == newest + ALLOWED


def test_whoever_proves_something_is_let_in_all_the_same(
    strict: Plane, agent: Agent, issuer: Issuer
) -> None:
    refused(lambda: strict.ask(invocation_path(agent), headers=WRONG), 403)
    key, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    identity = WorkloadIdentity.objects.get(agent=agent)
    body = f'{{"workloadName": "{identity.name}"}}'.encode()

    for _ in range(ALLOWED + 1):
        bearer = {"authorization": f"Bearer {issuer.token()}"}
        assert strict.ask(invocation_path(agent), headers=bearer).status == 200
        signed = signed_headers(
            strict.url + WIRE_PATH, key_id=key.access_key_id, secret=secret, body=body
        )
        assert strict.ask(WIRE_PATH, headers=signed, body=body).status == 200


def test_whoever_is_known_and_may_not_is_told_so_and_on_record_each_time(
    strict: Plane, agent: Agent, issuer: Issuer
) -> None:
    refused(lambda: strict.ask(invocation_path(agent), headers=WRONG), 403)
    bearer = {"authorization": f"Bearer {issuer.token(sub='charlie')}"}

    told = {strict.ask(invocation_path(agent), headers=bearer).status for _ in range(ALLOWED + 1)}

    assert told == {404}
    refusals = [reason for _, _, reason in events(agent)]
    assert refusals.count("agent_not_found") == ALLOWED + 1
