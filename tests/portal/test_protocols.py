"""Agents of other protocols than AgentCore's own, in the chat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings

from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_configure
from core.audit import Actor
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson
from tests.portal.site import Site, ended

pytestmark = pytest.mark.django_db(transaction=True)


def speaking(agent: Agent, protocol: str) -> None:
    """Let the agent's newest version speak another protocol."""
    newest = agent.versions.order_by("-number").first()
    assert newest is not None
    asked = replace(Configuration.of(newest), protocol=protocol)
    agent_configure(agent=agent, asked=asked, actor=Actor("a test"))


def answering(reply: Reply) -> None:
    reply.stream(
        {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
        {"type": "TEXT_MESSAGE_START", "messageId": "1", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "Hello, "},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "**Bob**."},
        {"type": "TEXT_MESSAGE_END", "messageId": "1"},
        {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
    )


def test_an_agent_of_ag_ui_is_given_the_conversation_and_its_answer_is_shown(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    speaking(agent, "AGUI")
    agent_server.behaviour = answering
    bob = person("bob")
    conversation = bob.begin(agent)

    got = site.events(bob.say(conversation, "First"), bob.browser)
    site.events(bob.say(conversation, "Second"), bob.browser)

    assert got.blocks == ["<p>Hello, <strong>Bob</strong>.</p>"]
    assert got.events[-1].data == ended("done")
    first, second = (call.body for call in agent_server.calls)
    assert _words(first) == [("user", "First")]
    assert _words(second) == [
        ("user", "First"),
        ("assistant", "Hello, **Bob**."),
        ("user", "Second"),
    ]
    assert first["threadId"] == second["threadId"]
    assert first["runId"] != second["runId"]
    assert (first["tools"], first["context"], first["state"]) == ([], [], {})


def _words(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in body["messages"]]


def test_an_error_event_of_ag_ui_ends_the_run(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    speaking(agent, "AGUI")
    agent_server.behaviour = lambda reply: reply.stream({"type": "RUN_ERROR", "message": "no"})
    bob = person("bob")
    conversation = bob.begin(agent)

    site.events(bob.say(conversation, "First"), bob.browser)

    assert bob.answer(conversation)["run"]["status"] == "failed"


@pytest.mark.parametrize("protocol", ["MCP", "A2A"])
def test_what_is_for_programs_is_not_offered_in_the_chat(
    agent: Agent, agent_server: AgentServer, person: MakePerson, protocol: str
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    speaking(agent, protocol)

    assert bob.get("agents").json() == []
    refused = bob.post("conversations", {"agent": agent.agent_id})
    assert (refused.status_code, refused.json()["error"]) == (404, "agent_for_programs")
    said = {"text": "Hello?", "client_key": "0b6f1f3e-6a5e-4a4f-8e2e-0d4c7b9d8a11"}
    assert bob.post(f"conversations/{conversation}/messages", said).status_code == 404
    assert agent_server.calls == []


def test_whoever_opens_what_is_for_programs_is_told_where_it_is_reached(
    agent: Agent, person: MakePerson
) -> None:
    bob, charlie = person("bob"), person("charlie")
    speaking(agent, "MCP")

    page = bob.browser.get(f"/chat/new/{agent.agent_id}/")
    assert page.status_code == 404
    assert "This agent is for programs" in page.content.decode()
    assert f"{settings.SITE_URL}/runtimes/{quote(agent.arn, safe='')}/" in page.content.decode()

    hidden = charlie.browser.get(f"/chat/new/{agent.agent_id}/")
    assert hidden.status_code == 404
    assert agent.agent_id not in hidden.content.decode()
