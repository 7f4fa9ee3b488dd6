"""A question is asked again in other words: in a branch, and the conversation stays as it was."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from agents.models import Agent
from portal.models import Conversation, Message, Run
from tests.portal.agent import AgentServer
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Site

pytestmark = pytest.mark.django_db(transaction=True)


def edit(who: Person, message: str, text: str, *, key: str = "") -> Any:
    return who.post(
        f"messages/{message}/edit", {"text": text, "client_key": key or str(uuid.uuid4())}
    )


def questions(who: Person, conversation: str) -> list[tuple[str, str]]:
    """Return the ids and the texts of what the person said."""
    thread = who.get(f"conversations/{conversation}").json()["messages"]
    return [(message["id"], message["text"]) for message in thread if message["role"] == "user"]


def said(who: Person, conversation: str) -> list[str]:
    thread = who.get(f"conversations/{conversation}").json()["messages"]
    return [message["text"] for message in thread]


def versions(who: Person, conversation: str) -> list[tuple[int, int, str, str] | None]:
    """Return of each question which version it is, of how many, and the neighbours' pages."""
    thread = who.browser.get(f"/chat/{conversation}/").context["thread"]
    found = [message["versions"] for message in thread if message["role"] == "user"]
    return [
        each
        and (
            each.number,
            each.count,
            str(each.before.pk) if each.before else "",
            str(each.after.pk) if each.after else "",
        )
        for each in found
    ]


@pytest.fixture
def bob(person: MakePerson, agent: Agent) -> Person:
    return person("bob")


@pytest.fixture
def talk(bob: Person, agent: Agent) -> str:
    """A conversation of two questions that were answered."""
    conversation = bob.begin(agent)
    for text in ("First?", "Second?"):
        bob.say(conversation, text)
        finish()
    return conversation


def finish() -> None:
    for run in Run.objects.filter(status="queued"):
        run.answer.parts = [{"kind": "text", "text": f"On {run.question.text}"}]
        run.answer.save()
        run.status, run.finished_at, run.reference = "done", run.created_at, "r"
        run.save()


def test_the_branch_has_what_came_before_and_the_old_one_stays(bob: Person, talk: str) -> None:
    before = said(bob, talk)
    (_, _), (second, _) = questions(bob, talk)

    made = edit(bob, second, "Third?")

    assert made.status_code == 201
    branch = made.json()["id"]
    assert made.json()["url"] == f"/chat/{branch}/"
    assert said(bob, branch) == ["First?", "On First?", "Third?", ""]
    assert said(bob, talk) == before
    assert versions(bob, talk) == [None, (1, 2, "", branch)]
    assert versions(bob, branch) == [None, (2, 2, talk, "")]
    old, new = (Conversation.objects.get(pk=pk) for pk in (talk, branch))
    assert old.runtime_session_id != new.runtime_session_id


def test_versions_of_versions_are_one_after_the_other(bob: Person, talk: str) -> None:
    (first, _), (second, _) = questions(bob, talk)
    two = edit(bob, second, "Second, again?").json()["id"]
    finish()
    three = edit(bob, questions(bob, two)[1][0], "Second, once more?").json()["id"]
    finish()
    other = edit(bob, first, "Something else?").json()["id"]

    assert versions(bob, talk) == [(1, 2, "", other), (1, 3, "", two)]
    assert versions(bob, two) == [(1, 2, "", other), (2, 3, talk, three)]
    assert versions(bob, three) == [(1, 2, "", other), (3, 3, two, "")]
    assert versions(bob, other) == [(2, 2, talk, "")]
    assert said(bob, other) == ["Something else?", ""]
    assert Conversation.objects.get(pk=other).title == "Something else?"


def test_a_first_question_that_is_edited_within_a_branch_is_a_version_of_the_first(
    bob: Person, talk: str
) -> None:
    (_, _), (second, _) = questions(bob, talk)
    two = edit(bob, second, "Second, again?").json()["id"]
    finish()

    other = edit(bob, questions(bob, two)[0][0], "Something else?").json()["id"]

    assert versions(bob, other) == [(2, 2, talk, "")]
    assert versions(bob, talk)[0] == (1, 2, "", other)


def test_a_branch_that_is_deleted_is_no_version_and_what_is_left_goes_on(
    bob: Person, talk: str
) -> None:
    (_, _), (second, _) = questions(bob, talk)
    two = edit(bob, second, "Two?").json()["id"]
    finish()
    three = edit(bob, second, "Three?").json()["id"]

    assert bob.delete(f"conversations/{two}").status_code == 204
    assert versions(bob, talk) == [None, (1, 2, "", three)]
    assert bob.delete(f"conversations/{talk}").status_code == 204

    Conversation.objects.filter(pk=talk).delete()
    assert versions(bob, three) == [None, None]
    assert said(bob, three) == ["First?", "On First?", "Three?", ""]


def test_the_same_question_that_is_sent_twice_is_one(bob: Person, talk: str) -> None:
    (_, _), (second, _) = questions(bob, talk)
    key = str(uuid.uuid4())

    first = edit(bob, second, "Third?", key=key)
    again = edit(bob, second, "Third?", key=key)

    assert first.json() == again.json()
    assert Conversation.objects.count() == 2
    assert Run.objects.filter(status="queued").count() == 1


def test_nobody_edits_what_somebody_else_asked(
    bob: Person, talk: str, person: MakePerson, agent: Agent
) -> None:
    agent.allow_everyone = True
    agent.save()
    (first, _), _ = questions(bob, talk)

    assert edit(person("charlie"), first, "Mine now?").status_code == 404
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize("text", ["", "  \n", "x" * 40_000])
def test_what_cannot_be_said_is_not_asked(bob: Person, talk: str, text: str) -> None:
    (first, _), _ = questions(bob, talk)

    assert edit(bob, first, text).status_code == 400
    assert Conversation.objects.count() == 1


def test_an_answer_under_way_an_answer_and_a_deleted_conversation_are_not_edited(
    bob: Person, talk: str
) -> None:
    (first, _), _ = questions(bob, talk)
    answer = str(Message.objects.filter(role="assistant").earliest("created_at").pk)
    assert edit(bob, answer, "Else?").status_code == 404

    bob.say(talk, "Third?")
    assert edit(bob, first, "Else?").status_code == 409
    finish()
    bob.delete(f"conversations/{talk}")
    assert edit(bob, first, "Else?").status_code == 404
    assert Conversation.objects.count() == 1


def test_the_branch_is_answered_by_the_agent_in_a_session_of_its_own(
    bob: Person, agent: Agent, agent_server: AgentServer, site: Site
) -> None:
    conversation = bob.begin(agent)
    site.events(bob.say(conversation, "First?"), bob.browser)
    [(first, _)] = questions(bob, conversation)

    branch = edit(bob, first, "Else?").json()["id"]
    run = Run.objects.get(conversation=branch)
    site.events({"id": str(run.pk), "events": run.events_path}, bob.browser)

    assert said(bob, branch) == ["Else?", "Hello."]
    sessions = [
        call.headers["x-amzn-bedrock-agentcore-runtime-session-id"] for call in agent_server.calls
    ]
    assert len(set(sessions)) == 2
