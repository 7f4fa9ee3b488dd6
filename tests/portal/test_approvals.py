"""What an AG-UI agent asks before it goes on: shown, answered once, and told to it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from core.models import AuditEvent
from portal.models import Approval, Run
from portal.runs import approvals, lease, notices, records
from portal.runs.records import Outcome
from tests.fixtures.provider import Provider
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Got, Site, ended, soon
from tests.portal.test_consent_card import Turn, acme, allowed, come_back, path_of  # noqa: F401
from tests.portal.test_protocols import speaking

pytestmark = pytest.mark.django_db(transaction=True)

DECISION = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}},
    "required": ["approved"],
}
DELETE = {
    "id": "int-1",
    "reason": "tool_call",
    "message": "Delete <b>Standup</b>? https://evil.example/now",
    "toolCallId": "call-1",
    "responseSchema": DECISION,
}
FORM = {
    "id": "int-form",
    "reason": "input_required",
    "message": "Which filing?",
    "responseSchema": {
        "type": "object",
        "properties": {
            "quarter": {"type": "string", "enum": ["Q1", "Q2"]},
            "year": {"type": "integer", "minimum": 2000, "title": "Year of <it>"},
            "note": {"type": "string", "maxLength": 10},
            "draft": {"type": "boolean"},
        },
        "required": ["quarter", "year"],
    },
}


def interrupted(*interrupts: Any) -> dict[str, Any]:
    return {
        "type": "RUN_FINISHED",
        "threadId": "t",
        "runId": "r",
        "outcome": {"type": "interrupt", "interrupts": list(interrupts)},
    }


def saying(text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": text}


def asking(*interrupts: Any, then: Callable[[Reply], None] | None = None) -> Any:
    """Return the behaviour of an agent that asks, until it is answered."""

    def behave(reply: Reply) -> None:
        if reply.asked.get("resume"):
            (then or (lambda reply: reply.stream(saying("It is done."))))(reply)
            return
        reply.stream(
            saying("One moment."),
            {"type": "TOOL_CALL_START", "toolCallId": "call-1", "toolCallName": "delete_event"},
            {
                "type": "TOOL_CALL_ARGS",
                "toolCallId": "call-1",
                "delta": '{"title": "Standup", "password": "hunter2"}',
            },
            {"type": "TOOL_CALL_END", "toolCallId": "call-1"},
            {"type": "STATE_SNAPSHOT", "snapshot": {"step": 3}},
            interrupted(*interrupts),
        )

    return behave


class Asked:
    """A run that waits for its person."""

    def __init__(self, site: Site, bob: Person, conversation: str, run: dict[str, Any]) -> None:
        self.site, self.bob, self.conversation, self.run = site, bob, conversation, run

    def cards(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the cards that wait, once there are so many."""
        got = self.site.events(
            self.run, self.bob.browser, until=lambda got: len(got.parts("approval")) >= count
        )
        assert len(got.parts("approval")) == count, got.events
        cards = self.bob.answer(self.conversation)["parts"]
        return [part for part in cards if part["kind"] == "approval"]

    def answer(self, card: dict[str, Any], **said: Any) -> Any:
        return self.bob.post(self.path(card), {"approve": True, **said})

    def path(self, card: dict[str, Any]) -> str:
        return f"runs/{self.run['id']}/approvals/{card['id']}"

    def to_the_end(self) -> Got:
        return self.site.events(self.run, self.bob.browser)


Ask = Callable[..., Asked]


@pytest.fixture
def ask(site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson) -> Ask:
    speaking(agent, "AGUI")
    bob = person("bob")
    conversation = bob.begin(agent)

    def begin(*interrupts: Any, then: Callable[[Reply], None] | None = None) -> Asked:
        agent_server.behaviour = asking(*interrupts, then=then)
        return Asked(site, bob, conversation, bob.say(conversation, "Delete my standup"))

    return begin


def html_of(asked: Asked) -> str:
    return str(asked.bob.answer(asked.conversation)["html"])


def actions() -> list[str]:
    found = AuditEvent.objects.filter(action__startswith="agent.approval").order_by("at")
    return list(found.values_list("action", flat=True))


def test_an_approval_is_asked_for_and_given_in_the_same_answer(
    ask: Ask, agent_server: AgentServer
) -> None:
    def going_on(reply: Reply) -> None:
        reply.stream(
            {"type": "TOOL_CALL_RESULT", "toolCallId": "call-1", "content": "gone"},
            saying("It is done."),
            {"type": "RUN_FINISHED", "outcome": {"type": "success"}},
        )

    asked = ask(DELETE, then=going_on)
    [card] = asked.cards()
    waiting = html_of(asked)

    assert asked.answer(card).status_code == 200
    got = asked.to_the_end()

    assert got.events[-1].data == ended("done")
    first, second = (call.body for call in agent_server.calls)
    assert "resume" not in first
    assert second["resume"] == [
        {"interruptId": "int-1", "status": "resolved", "payload": {"approved": True}}
    ]
    assert second["threadId"] == first["threadId"]
    assert second["runId"] == f"{first['runId']}.2"
    assert second["state"] == {"step": 3}
    assert "Helper asks for your approval" in waiting
    assert "Delete &lt;b&gt;Standup&lt;/b&gt;?" in waiting
    assert "evil.example" not in "".join(re.findall(r'href="[^"]*"', waiting))
    assert "Delete event" in waiting
    assert "hunter2" not in waiting
    parts = asked.bob.answer(asked.conversation)["parts"]
    assert [(part["kind"], part.get("state", "")) for part in parts] == [
        ("text", ""),
        ("tool", "done"),
        ("approval", "approved"),
        ("text", ""),
    ]
    assert "You approved this." in html_of(asked)
    assert actions() == ["agent.approval.asked", "agent.approval.approved"]


def test_a_decline_is_told_in_the_payload(ask: Ask, agent_server: AgentServer) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()

    assert asked.answer(card, approve=False).status_code == 200
    asked.to_the_end()

    assert agent_server.calls[1].body["resume"] == [
        {"interruptId": "int-1", "status": "resolved", "payload": {"approved": False}}
    ]
    assert "You declined this." in html_of(asked)
    event = AuditEvent.objects.get(action="agent.approval.declined")
    assert (event.outcome, event.reason) == ("refused", "approval_declined")
    assert (event.subject_sub, set(event.detail)) == ("bob", {"approval", "run"})


@pytest.mark.parametrize(
    "schema, payload",
    [(None, {"approved": True}), ({"type": "boolean"}, True), ({}, {"approved": True})],
)
def test_a_yes_is_told_in_the_shape_that_the_agent_wants(
    ask: Ask, agent_server: AgentServer, schema: Any, payload: Any
) -> None:
    asked = ask({"id": "i", "reason": "confirmation", "message": "Go?", "responseSchema": schema})
    [card] = asked.cards()

    assert asked.answer(card).status_code == 200
    asked.to_the_end()

    assert agent_server.calls[1].body["resume"][0]["payload"] == payload


def test_a_form_is_filled_in_and_its_values_have_their_kinds(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(FORM)
    [card] = asked.cards()
    waiting = html_of(asked)

    for values in (
        ["", "2026", "", "no"],  # what is required
        ["0", "1999", "", "no"],  # too small
        ["0", "soon", "", "no"],
        ["0", "inf", "", "no"],
        ["7", "2026", "", "no"],  # no such choice
        ["0", "2026", "much too long", "no"],
        ["0", "2026"],
        [],
    ):
        refused = asked.answer(card, values=values)
        assert (refused.status_code, refused.json()["error"]) == (400, "approval_refused")
    assert len(agent_server.calls) == 1
    assert asked.answer(card, values=["1", "2026", "", "yes"]).status_code == 200
    asked.to_the_end()

    assert agent_server.calls[1].body["resume"] == [
        {
            "interruptId": "int-form",
            "status": "resolved",
            "payload": {"quarter": "Q2", "year": 2026, "draft": True},
        }
    ]
    assert "Year of &lt;it&gt;" in waiting
    assert "Helper asks you something" in waiting
    after = html_of(asked)
    assert "You answered Helper." in after
    assert "Q2" in after
    assert Approval.objects.get().answer == ""
    assert actions() == ["agent.approval.asked", "agent.approval.answered"]


def test_a_form_that_is_not_filled_in_is_cancelled(ask: Ask, agent_server: AgentServer) -> None:
    asked = ask(FORM)
    [card] = asked.cards()

    asked.answer(card, approve=False)
    asked.to_the_end()

    assert agent_server.calls[1].body["resume"] == [
        {"interruptId": "int-form", "status": "cancelled"}
    ]


def test_several_are_all_answered_before_the_agent_goes_on(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE, {**DELETE, "id": "int-2"})
    first, second = asked.cards(2)

    assert asked.answer(second, approve=False).status_code == 200
    assert Run.objects.get().status == "running"
    assert len(agent_server.calls) == 1
    assert asked.answer(first).status_code == 200
    asked.to_the_end()

    assert len(agent_server.calls) == 2
    assert [
        (entry["interruptId"], entry["payload"]["approved"])
        for entry in agent_server.calls[1].body["resume"]
    ] == [("int-1", True), ("int-2", False)]


def test_an_answer_counts_once(ask: Ask, agent_server: AgentServer) -> None:
    asked = ask(DELETE, {**DELETE, "id": "int-2"})
    first, second = asked.cards(2)

    asked.answer(first)
    again = asked.answer(first, approve=False)
    asked.answer(second)
    asked.to_the_end()
    later = asked.answer(first)

    for refused in (again, later):
        assert (refused.status_code, refused.json()["error"]) == (409, "approval_answered")
        assert "answered this already" in refused.json()["message"]
    assert len(agent_server.calls) == 2
    assert agent_server.calls[1].body["resume"][0]["payload"] == {"approved": True}


def test_nobody_else_answers(ask: Ask, agent_server: AgentServer, person: MakePerson) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()
    alice = person("alice")

    assert alice.post(asked.path(card), {"approve": True}).status_code == 404
    assert (
        asked.bob.post(
            f"runs/{asked.run['id']}/approvals/{uuid.uuid4()}", {"approve": True}
        ).status_code
        == 404
    )
    nobody = Client().post(
        f"/api/v1/{asked.path(card)}", {"approve": True}, content_type="application/json"
    )
    assert nobody.status_code == 401

    assert Approval.objects.get().state == "pending"
    assert len(agent_server.calls) == 1


def test_a_stopped_run_takes_no_answer_and_the_agent_hears_of_it_with_the_next_question(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()

    asked.bob.post(f"runs/{asked.run['id']}/stop")
    got = asked.to_the_end()
    refused = asked.answer(card)

    assert got.events[-1].data["status"] == "stopped"
    assert (refused.status_code, refused.json()["error"]) == (409, "approval_over")
    assert "stopped waiting for your answer" in html_of(asked)
    assert len(agent_server.calls) == 1
    for question in ("What else?", "And now?"):
        asked.site.events(asked.bob.say(asked.conversation, question), asked.bob.browser)
        if question == "What else?":
            agent_server.behaviour = lambda reply: reply.stream(saying("Fine."))
    told = [call.body.get("resume") for call in agent_server.calls]
    assert told == [None, [{"interruptId": "int-1", "status": "cancelled"}], None]


def test_nothing_is_approved_once_stop_was_pressed_however_soon(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()

    stopped = asked.bob.post(f"runs/{asked.run['id']}/stop")
    refused = asked.answer(card)
    got = asked.to_the_end()

    assert stopped.status_code == 202
    assert (refused.status_code, refused.json()["error"]) == (409, "approval_over")
    assert got.events[-1].data["status"] == "stopped"
    assert len(agent_server.calls) == 1
    assert actions() == ["agent.approval.asked"]


def test_what_was_approved_just_before_stop_is_sent_or_stopped_and_never_both(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE)
    lease.ask_to_stop(uuid.UUID(asked.run["id"]))  # as it is seen by the run, and not by the page
    Approval.objects.update(state="approved", answer='{"payload": {"approved": true}}')
    asked.to_the_end()

    assert len(agent_server.calls) == 1


def test_what_was_approved_and_not_sent_is_not_sent_after_stop(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE, {**DELETE, "id": "int-2"})
    first, _ = asked.cards(2)
    asked.answer(first)

    asked.bob.post(f"runs/{asked.run['id']}/stop")
    asked.to_the_end()
    asked.site.events(asked.bob.say(asked.conversation, "And now?"), asked.bob.browser)

    assert {entry["status"] for entry in agent_server.calls[1].body["resume"]} == {"cancelled"}


def test_what_nobody_answers_in_time_is_cancelled(ask: Ask, agent_server: AgentServer) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()
    Approval.objects.update(lapses_at=timezone.now())

    refused = asked.answer(card)
    got = asked.to_the_end()

    assert (refused.status_code, refused.json()["error"]) == (409, "approval_over")
    assert got.events[-1].data == ended("done")
    assert agent_server.calls[1].body["resume"] == [{"interruptId": "int-1", "status": "cancelled"}]
    assert "Nobody answered in time" in html_of(asked)
    assert actions() == ["agent.approval.asked", "agent.approval.lapsed"]


def test_it_ends_before_the_agent_takes_no_answer_any_more(ask: Ask) -> None:
    until = datetime.now(UTC) + timedelta(minutes=3)
    asked = ask({**DELETE, "expiresAt": until.isoformat().replace("+00:00", "Z")})
    [card] = asked.cards()

    assert until - timedelta(seconds=10) < datetime.fromisoformat(card["expires_at"]) < until


def test_what_was_over_before_it_was_asked_ends_the_run_and_sends_nothing(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask({**DELETE, "expiresAt": "2026-01-01T00:00:00Z"})

    got = asked.to_the_end()

    assert got.events[-1].data["code"] == "approval_too_late"
    assert "the time to answer is over" in got.events[-1].data["notice"]
    assert len(agent_server.calls) == 1


@pytest.mark.parametrize("until", ["soon", 7, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_an_odd_expiry_is_none(ask: Ask, until: Any) -> None:
    asked = ask({**DELETE, "expiresAt": until})
    [card] = asked.cards()

    in_ten_minutes = timezone.now() + approvals.WAITS_FOR
    assert in_ten_minutes - datetime.fromisoformat(card["expires_at"]) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "interrupt",
    [
        {"reason": "tool_call"},
        {"id": "", "reason": "tool_call"},
        {"id": "x" * 257, "reason": "tool_call"},
        {"id": "a\u0000b", "reason": "tool_call"},
        "int-1",
        {**DELETE, "responseSchema": {"type": "array"}},
        {**DELETE, "responseSchema": {"anyOf": [{"type": "string"}]}},
        {**DELETE, "responseSchema": "boolean"},
        {
            **DELETE,
            "responseSchema": {
                "type": "object",
                "properties": {"args": {"type": "object"}},
                "required": ["args"],
            },
        },
    ],
)
def test_what_cannot_be_shown_ends_the_run_with_a_word(
    ask: Ask, agent_server: AgentServer, interrupt: Any
) -> None:
    asked = ask(interrupt)

    got = asked.to_the_end()

    assert got.events[-1].data["code"] == "interrupt_unreadable"
    assert "cannot show" in got.events[-1].data["notice"]
    assert got.parts("approval") == []
    assert len(agent_server.calls) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        "interrupt",
        {"type": "interrupt"},
        {"type": "interrupt", "interrupts": []},
        {"type": "interrupt", "interrupts": [{**DELETE, "id": str(n)} for n in range(11)]},
        {"type": "interrupt", "interrupts": [DELETE, DELETE]},
    ],
)
def test_an_outcome_without_a_shape_ends_the_run_with_a_word(
    ask: Ask, agent_server: AgentServer, outcome: Any
) -> None:
    asked = ask()
    asked.to_the_end()
    agent_server.behaviour = lambda reply: reply.stream(
        {"type": "RUN_FINISHED", "outcome": outcome}
    )
    run = asked.bob.say(asked.conversation, "Again")

    got = asked.site.events(run, asked.bob.browser)

    assert got.events[-1].data["code"] == "interrupt_unreadable"


def test_an_agent_that_asks_on_and_on_is_ended(ask: Ask, agent_server: AgentServer) -> None:
    seven = [{**DELETE, "id": str(n)} for n in range(7)]
    asked = ask(*seven, then=lambda reply: reply.stream(interrupted(*seven)))
    for _round in range(2):
        for row in list(soon(lambda: Approval.objects.filter(state="pending"))):
            asked.answer({"id": str(row.pk)})
    assert asked.to_the_end().events[-1].data["code"] == "interrupt_unreadable"


def test_what_a_process_leaves_behind_is_closed_and_retry_is_offered(
    ask: Ask, agent_server: AgentServer
) -> None:
    asked = ask(DELETE)
    [card] = asked.cards()

    run_id = Run.objects.get().pk
    assert records.run_finish(Outcome(run_id, Run.Status.FAILED, notices.INTERRUPTED))
    refused = asked.answer(card)
    soon(lambda: asked.bob.answer(asked.conversation)["run"]["again"] == "retry")

    assert (refused.status_code, refused.json()["error"]) == (409, "approval_over")
    assert len(agent_server.calls) == 1


class Consenting:
    """An agent that asks the vault, and then asks its person by an interrupt."""

    def __init__(self, ask: Ask, server: AgentServer, agent: Agent) -> None:
        self.link = ""
        asked = ask()
        asked.to_the_end()
        server.calls.clear()
        server.behaviour = self.behave
        run = asked.bob.say(asked.conversation, "What is on my calendar?")
        self.asked = Asked(asked.site, asked.bob, asked.conversation, run)
        self.turn = Turn(asked.site, server, agent, asked.bob, asked.conversation, run)

    def behave(self, reply: Reply) -> None:
        if "resume" in reply.asked:
            reply.stream(saying("It goes on."))
            return
        reply.stream(saying("Let me look."))
        reply.wait_to_go_on()
        reply.event(
            interrupted(
                {"id": "c", "reason": "consent", "metadata": {"authorizationUrl": self.link}}
            )
        )

    def interrupt(self, link: str) -> None:
        self.link = link
        self.turn.server.may_go_on.set()


def test_a_consent_is_its_own_card_and_the_agent_goes_on_once_it_is_given(
    ask: Ask,
    agent_server: AgentServer,
    agent: Agent,
    acme: Provider,  # noqa: F811
) -> None:
    one = Consenting(ask, agent_server, agent)
    link = one.turn.ask_for_consent()
    one.turn.seen("pending")
    one.interrupt(link)
    soon(lambda: Approval.objects.filter(state="pending").exists())

    waiting = one.asked.bob.answer(one.asked.conversation)["parts"]
    card = {"id": str(Approval.objects.get().pk)}
    by_hand = one.asked.answer(card)
    come_back(one.asked.bob, allowed(one.turn, acme, link))
    got = one.asked.to_the_end()

    assert [part["kind"] for part in waiting] == ["text", "consent"]
    assert by_hand.status_code == 404
    assert got.events[-1].data == ended("done")
    assert got.parts("consent")[-1]["state"] == "granted"
    assert agent_server.calls[1].body["resume"] == [
        {"interruptId": "c", "status": "resolved", "payload": {"approved": True}}
    ]


def test_a_denied_consent_is_told_the_agent_as_cancelled(
    ask: Ask,
    agent_server: AgentServer,
    agent: Agent,
    acme: Provider,  # noqa: F811
) -> None:
    one = Consenting(ask, agent_server, agent)
    link = one.turn.ask_for_consent()
    one.turn.seen("pending")
    one.interrupt(link)
    soon(lambda: Approval.objects.filter(state="pending").exists())

    to_provider = one.asked.bob.browser.get(path_of(link))["Location"]
    come_back(one.asked.bob, acme.deny(to_provider))
    one.asked.to_the_end()

    assert agent_server.calls[1].body["resume"] == [{"interruptId": "c", "status": "cancelled"}]


def test_a_consent_that_the_vault_did_not_ask_for_here_is_not_shown(
    ask: Ask,
    agent_server: AgentServer,
    agent: Agent,
    acme: Provider,  # noqa: F811
) -> None:
    one = Consenting(ask, agent_server, agent)
    link = one.turn.ask_for_consent()
    one.turn.seen("pending")
    one.interrupt(link[:-4] + "evil")

    got = one.asked.to_the_end()

    assert got.events[-1].data["code"] == "interrupt_unreadable"
    assert "evil" not in html_of(one.asked)
    assert len(agent_server.calls) == 1


def test_a_consent_of_another_conversation_is_not_shown(
    ask: Ask,
    agent_server: AgentServer,
    agent: Agent,
    acme: Provider,  # noqa: F811
) -> None:
    first = Consenting(ask, agent_server, agent)
    link = first.turn.ask_for_consent()
    first.turn.seen("pending")
    agent_server.behaviour = lambda reply: reply.stream(
        interrupted({"id": "c", "reason": "consent", "message": f"Open {link}"})
    )
    bob = first.asked.bob
    other = bob.begin(agent)

    got = first.asked.site.events(bob.say(other, "Mine?"), bob.browser)

    assert got.events[-1].data["code"] == "interrupt_unreadable"
    assert link not in bob.get(f"conversations/{other}").content.decode()
    agent_server.may_go_on.set()
