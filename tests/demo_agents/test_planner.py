"""The planner asks before it keeps a reminder: over AG-UI, as Daiko calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.demo_agents.processes import AgentProcess, events_of, identity_headers

BOB = identity_headers("sub-bob", session="bobs-" * 8)
ASKED = "Please remind me to call the bank."


@pytest.fixture(scope="module")
def planner(start_agent: Callable[..., AgentProcess]) -> AgentProcess:
    return start_agent(
        "planner",
        SCHEDULER_URL="http://127.0.0.1:9",
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="agent-key",
        AWS_SECRET_ACCESS_KEY="agent-secret",
    )


def told(
    planner: AgentProcess,
    question: str,
    *,
    message: str,
    headers: dict[str, str] = BOB,
    resume: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {
        "threadId": "thread",
        "runId": "run",
        "state": {},
        "messages": [{"id": message, "role": "user", "content": question}],
        "tools": [],
        "context": [],
        "forwardedProps": {},
        "resume": resume,
    }
    response = planner.post({k: v for k, v in asked.items() if v is not None}, headers)
    try:
        assert response.status == 200
        return list(events_of(response))
    finally:
        response.release_conn()


def words_of(events: list[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "TEXT_MESSAGE_CONTENT")


def interrupt_in(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert events[-1]["outcome"]["type"] == "interrupt", json.dumps(events[-1])
    [interrupt] = events[-1]["outcome"]["interrupts"]
    assert isinstance(interrupt, dict)
    return interrupt


def resolved(interrupt: dict[str, Any], payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"interruptId": interrupt["id"], "status": "resolved", "payload": payload}]


def reminders(planner: AgentProcess, headers: dict[str, str] = BOB) -> str:
    return words_of(told(planner, "What are my reminders?", message="list", headers=headers))


def test_it_keeps_what_was_approved_and_nothing_before(planner: AgentProcess) -> None:
    asked = interrupt_in(told(planner, ASKED, message="1"))
    assert asked["message"] == "Shall I remind you to call the bank?"
    assert "call the bank" not in reminders(planner)

    answer = resolved(asked, {"approved": True, "day": "tomorrow"})
    events = told(planner, ASKED, message="1", resume=answer)

    assert words_of(events) == "I shall remind you tomorrow to call the bank."
    assert reminders(planner) == "- call the bank (tomorrow)"
    # The same answer again keeps nothing twice.
    assert words_of(told(planner, ASKED, message="1", resume=answer)) == ""
    assert reminders(planner) == "- call the bank (tomorrow)"


def test_what_was_declined_is_not_kept(planner: AgentProcess) -> None:
    session = identity_headers("sub-bob", session="declined-" * 5)
    asked = interrupt_in(told(planner, ASKED, message="1", headers=session))

    answer = resolved(asked, {"approved": False})
    events = told(planner, ASKED, message="1", headers=session, resume=answer)

    assert words_of(events) == "Then I do not keep that."
    assert reminders(planner, session) == "I remind you of nothing yet."


def test_an_answer_of_another_session_approves_nothing(planner: AgentProcess) -> None:
    session = identity_headers("sub-bob", session="first----" * 5)
    other = identity_headers("sub-eve", session="second---" * 5)
    asked = interrupt_in(told(planner, ASKED, message="1", headers=session))

    told(planner, "Yes.", message="9", headers=other, resume=resolved(asked, {"approved": True}))

    assert reminders(planner, session) == "I remind you of nothing yet."
    assert reminders(planner, other) == "I remind you of nothing yet."


def test_what_nobody_answered_is_not_asked_again_and_does_not_swallow_the_next_question(
    planner: AgentProcess,
) -> None:
    session = identity_headers("sub-bob", session="silence--" * 5)
    asked = interrupt_in(told(planner, ASKED, message="1", headers=session))
    silence = [{"interruptId": asked["id"], "status": "cancelled"}]

    events = told(planner, ASKED, message="1", headers=session, resume=silence)
    assert "outcome" not in events[-1]

    asked = interrupt_in(told(planner, ASKED, message="2", headers=session))
    silence = [{"interruptId": asked["id"], "status": "cancelled"}]
    listed = told(planner, "my reminders", message="3", headers=session, resume=silence)
    assert words_of(listed) == "I remind you of nothing yet."
