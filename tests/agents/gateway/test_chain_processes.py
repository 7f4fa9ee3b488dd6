"""Agents that call each other for real: processes, AWS's SDK, boto3, the gateway between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from agents import services, workload
from agents.gateway.chain import MAX_CALLERS
from agents.keys import access_keys
from agents.models import Agent
from agents.workload import VerifiedWorkload
from core.models import AuditEvent, User
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.plane import Plane, invocation_path
from tests.agents.signing import signed_headers
from tests.demo_agents.processes import free_port, running
from tests.fixtures.issuer import Issuer, issuing

_AGENT = Path(__file__).with_name("chained_agent.py")
_BY_KEY: dict[str, Any] = {"auth_mode": "SIGV4", "discovery_url": "", "allowed_clients": ()}


@dataclass
class Process:
    """An agent whose process runs, and the file in which that notes its calls."""

    agent: Agent
    journal: Path

    @property
    def name(self) -> str:
        return self.agent.workload_identity.name

    @property
    def calls(self) -> int:
        return len(self.journal.read_text().splitlines())


@dataclass
class World:
    """A front that people call, ping, which lists it and pong, and pong, which lists ping."""

    plane: Plane
    issuer: Issuer
    front: Process
    ping: Process
    pong: Process

    def ask_front(self, **payload: Any) -> Any:
        """Return what the front answers alice."""
        return self._asked(self.front, {"authorization": f"Bearer {self.issuer.token()}"}, payload)

    def ask_pong(self, **payload: Any) -> Any:
        """Return what pong answers an operator."""
        operator = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
        signed = signed_headers(
            self.plane.url + invocation_path(self.pong.agent),
            key_id=operator[0].access_key_id,
            secret=operator[1],
            body=json.dumps(payload).encode(),
        )
        return self._asked(self.pong, signed, payload)

    def _asked(self, asked: Process, headers: dict[str, str], payload: Any) -> Any:
        reply = self.plane.ask(
            invocation_path(asked.agent),
            headers={**headers, "content-type": "application/json"},
            body=json.dumps(payload).encode(),
            timeout_s=30,
        )
        assert reply.status == 200, reply.body
        return reply.json()

    def alias(self, name: str, **about: Any) -> Agent:
        """Return another agent that alice may use and that runs where ping does."""
        url = Agent.objects.get(pk=self.ping.agent.pk).versions.latest("number").url
        alice = User.objects.get(iss=self.issuer.url, sub="alice")
        return make_agent(name, self.issuer, url=url, people=[alice], **about)


@pytest.fixture(scope="module")
def world(_planes: Any, tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[World]:
    here = override_settings(DAIKO_ALLOWED_PRIVATE_HOSTS=["127.0.0.1"])
    with django_db_blocker.unblock(), here, ExitStack() as stack:
        plane = _planes.get()
        issuer = stack.enter_context(issuing())
        alice = User.objects.create(username="alice", iss=issuer.url, sub="alice", name="Alice")
        folder = tmp_path_factory.mktemp("journals")

        def process(name: str, **about: Any) -> Process:
            port = free_port()
            agent = make_agent(
                name, issuer, url=f"http://127.0.0.1:{port}", people=[alice], **about
            )
            key, secret = access_keys.access_key_create(
                label=name, workload_identity=agent.workload_identity, actor=ADMIN
            )
            journal = folder / name
            journal.touch()
            told = {
                "PORT": str(port),
                "JOURNAL": str(journal),
                "DOCKER_CONTAINER": "1",
                "AWS_REGION": "us-east-1",
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": plane.url,
                "AWS_ACCESS_KEY_ID": key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": secret.reveal(),
            }
            stack.enter_context(running(str(_AGENT), **told))
            return Process(agent, journal)

        front = process("chain_front")
        pong = process("chain_pong", **_BY_KEY)
        ping = process("chain_ping", **_BY_KEY, allowed_workloads=(front.name, pong.name))
        asked = configured(
            **_BY_KEY,
            url=pong.agent.versions.get().url,
            allowed_workloads=(ping.name,),
        )
        services.agent_configure(agent=pong.agent, asked=asked, actor=ADMIN)
        yield World(plane, issuer, front, ping, pong)


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Let each test read what is on record."""


def last(agent: Agent) -> AuditEvent:
    return AuditEvent.objects.filter(agent=agent.agent_id, action="agent.invocation").latest("pk")


def read(answer: Any) -> VerifiedWorkload:
    """Return what the token says that an agent was called with."""
    return workload.read(answer["wat"])


def test_an_agent_calls_another_for_the_person_who_called_it(world: World) -> None:
    answer = world.ask_front(call=[world.ping.agent.arn])

    first, passed = read(answer), read(answer["called"])
    alice = Subject(world.issuer.url, "alice")
    assert (first.subject, passed.subject) == (alice, alice)
    assert passed.called_through == (world.front.name,)
    event = last(world.ping.agent)
    assert (event.subject_sub, event.detail["chain"]) == ("alice", [world.front.name])
    assert event.detail["invocation"] == last(world.front.agent).reference == first.invocation


def test_agents_that_call_each_other_in_a_circle_end_at_the_limit(world: World) -> None:
    before = world.ping.calls + world.pong.calls

    answer = world.ask_front(call=[world.ping.agent.arn, world.pong.agent.arn], round=True)

    depth = 0
    while "called" in answer:
        answer, depth = answer["called"], depth + 1
    assert depth == MAX_CALLERS + 1
    assert answer["code"] == "AccessDeniedException"
    assert f"at most {MAX_CALLERS}" in answer["refused"]
    assert world.ping.calls + world.pong.calls - before == MAX_CALLERS
    event = last(world.pong.agent)
    assert (event.outcome, event.reason) == ("refused", "chain_too_long")
    ping, pong = world.ping.name, world.pong.name
    assert event.detail["chain"] == [ping, pong, ping, pong, ping, world.front.name]
    assert event.detail["invocation"] == last(world.front.agent).reference


def test_an_agent_that_nobody_listed_calls_for_nobody_else(world: World) -> None:
    closed = world.alias("chain_closed", **_BY_KEY)
    before = world.ping.calls

    refused = world.ask_front(call=[closed.arn])["called"]

    assert refused["code"] == "AccessDeniedException"
    assert f"add {world.front.name} to" in refused["refused"]
    assert last(closed).reason == "caller_not_listed"
    assert world.ping.calls == before


def test_a_token_that_another_agent_found_does_not_work_with_its_key(world: World) -> None:
    stolen = world.ask_front()["wat"]
    before = world.ping.calls

    refused = world.ask_pong(call=[world.ping.agent.arn], wat=stolen)["called"]

    assert refused["code"] == "AccessDeniedException"
    assert "another workload identity" in refused["refused"]
    event = last(world.ping.agent)
    assert (event.reason, event.detail["token_of"]) == ("caller_token_foreign", world.front.name)
    assert world.ping.calls == before


def test_a_person_s_token_and_the_agents_have_to_be_of_the_same_person(world: World) -> None:
    opened = world.alias("chain_opened", allowed_workloads=(world.front.name,), everyone=True)
    alice, bob = world.issuer.token(), world.issuer.token(sub="bob")
    before = world.ping.calls

    swapped = world.ask_front(call=[opened.arn], bearer=bob)["called"]

    assert swapped["code"] == 403
    assert "different persons" in swapped["refused"]
    event = last(opened)
    assert (event.subject_sub, event.reason) == ("bob", "caller_token_of_another")
    assert world.ping.calls == before
    passed = read(world.ask_front(call=[opened.arn], bearer=alice)["called"])
    assert passed.called_through == (world.front.name,)
