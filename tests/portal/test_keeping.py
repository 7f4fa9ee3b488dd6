"""Conversations that a person keeps: found again, named, pinned, taken away, deleted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from agents.models import Agent
from portal import keeping, timeline
from portal.conversations import message_send
from portal.errors import PageNotFound
from portal.keeping import KEPT_DELETED, forget_deleted
from portal.models import Conversation, Message, Run
from tests.portal.conftest import MakePerson, Person

pytestmark = pytest.mark.django_db(transaction=True)


def talk(person: Person, agent: Agent, question: str, *answer: timeline.Part) -> str:
    """Let somebody ask, and the agent have answered; return the conversation's id."""
    conversation = person.begin(agent)
    person.say(conversation, question)
    run = Run.objects.get(conversation_id=UUID(conversation))
    Message.objects.filter(pk=run.answer_id).update(parts=[timeline.to_json(p) for p in answer])
    Run.objects.filter(pk=run.pk).update(status="done", finished_at=timezone.now())
    return conversation


def listed(person: Person, words: str | None = None) -> list[str]:
    answer = person.browser.get("/api/v1/conversations", {} if words is None else {"words": words})
    assert answer.status_code == 200, answer.content
    return [str(found["title"]) for found in answer.json()]


# Searching


def test_a_conversation_is_found_by_its_title_its_agent_and_what_either_said(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    talk(bob, agent, "Trip to Osaka", timeline.Text("The Shinkansen takes two hours and a half."))
    talk(bob, agent, "来週の予定は?", timeline.Text("会議が三つあります。"))

    assert listed(bob, "osaka") == ["Trip to Osaka"]
    assert listed(bob, "SHINKANSEN trip") == ["Trip to Osaka"]
    assert listed(bob, "会議") == ["来週の予定は?"]
    assert len(listed(bob, "helper")) == 2
    assert listed(bob, "osaka 会議") == []


@pytest.mark.parametrize("words", ["running", "kind", "text", "100%", "_", "\\"])
def test_how_an_answer_is_kept_is_not_searched(
    agent: Agent, person: MakePerson, words: str
) -> None:
    bob = person("bob")
    talk(bob, agent, "Hello", timeline.Tool("Reading", "running"), timeline.Text("Hi."))

    assert listed(bob, words) == []


def test_quotes_and_backslashes_are_found_as_they_were_said(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    talk(bob, agent, "Quoted", timeline.Text(r'He said "hello" in C:\notes.'))
    talk(bob, agent, "Plain", timeline.Text("Hello."))

    assert listed(bob, '"hello"') == ["Quoted"]
    assert listed(bob, '"') == ["Quoted"]
    assert listed(bob, r"c:\notes") == ["Quoted"]


def test_nobody_finds_what_others_said(agent: Agent, person: MakePerson) -> None:
    talk(person("bob"), agent, "My salary", timeline.Text("It is secret."))

    assert listed(person("alice"), "salary") == []
    assert listed(person("alice"), "secret") == []


def test_a_search_that_is_not_one_is_refused(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")

    for query in ({"words": "x" * 201}, {"word": "x"}):
        assert bob.browser.get("/api/v1/conversations", query).status_code == 400


# Names and pins


def test_a_name_that_is_given_stays_whatever_is_said_next(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "What about Monday?")

    changed = bob.patch(f"conversations/{conversation}", {"title": "  Monday \n plans "})

    assert (changed.status_code, changed.json()["title"]) == (200, "Monday plans")
    bob.say(conversation, "And Tuesday?")
    assert listed(bob) == ["Monday plans"]


@pytest.mark.parametrize("title", ["", "  \n ", "x" * 101])
def test_a_name_that_is_none_is_refused(agent: Agent, person: MakePerson, title: str) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Hello")

    refused = bob.patch(f"conversations/{conversation}", {"title": title})

    assert (refused.status_code, refused.json()["error"]) == (400, "title_refused")
    assert listed(bob) == ["Hello"]


def test_pinned_conversations_stand_first_until_they_are_let_go(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    first, _, _ = (talk(bob, agent, title) for title in ("One", "Two", "Three"))

    bob.patch(f"conversations/{first}", {"pinned": True})
    assert listed(bob) == ["One", "Three", "Two"]

    bob.patch(f"conversations/{first}", {"pinned": False})
    assert listed(bob) == ["Three", "Two", "One"]


# Deleting


def test_what_is_deleted_is_nowhere_to_be_seen(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Hello", timeline.Text("Hi."))
    run = Run.objects.get(conversation_id=UUID(conversation))

    assert bob.delete(f"conversations/{conversation}").status_code == 204

    assert listed(bob) == []
    assert listed(bob, "hello") == []
    assert bob.get(f"conversations/{conversation}").status_code == 404
    assert bob.browser.get(f"/chat/{conversation}/").status_code == 404
    assert bob.browser.get(f"/chat/{conversation}/export/json/").status_code == 404
    assert bob.get(f"runs/{run.pk}/events").status_code == 404
    assert bob.post(f"runs/{run.pk}/retry").status_code == 404
    said = {"text": "Still there?", "client_key": str(uuid4())}
    assert bob.post(f"conversations/{conversation}/messages", said).status_code == 404
    assert bob.patch(f"conversations/{conversation}", {"title": "x"}).status_code == 404
    assert bob.delete(f"conversations/{conversation}").status_code == 404
    assert Message.objects.count() == 2


def test_an_answer_under_way_stops_where_its_conversation_is_deleted(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    bob.say(conversation, "Hello")

    bob.delete(f"conversations/{conversation}")

    assert Run.objects.get(conversation_id=UUID(conversation)).status == Run.Status.STOPPED


def test_a_deletion_can_be_taken_back_and_changes_nothing_then(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Hello", timeline.Text("Hi."))
    before = bob.get(f"conversations/{conversation}").json()

    bob.delete(f"conversations/{conversation}")
    restored = bob.post(f"conversations/{conversation}/restore")

    assert (restored.status_code, restored.json()["title"]) == (200, "Hello")
    assert listed(bob) == ["Hello"]
    assert bob.get(f"conversations/{conversation}").json() == before
    assert bob.post(f"conversations/{conversation}/restore").status_code == 404


def test_a_while_later_it_is_forgotten_with_all_that_was_said(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    gone, kept = (talk(bob, agent, title) for title in ("Gone", "Kept"))
    bob.delete(f"conversations/{gone}")
    now = timezone.now()

    assert forget_deleted(at=now + KEPT_DELETED - timedelta(seconds=5)) == 0
    assert forget_deleted(at=now + KEPT_DELETED + timedelta(seconds=5)) == 1

    assert [str(found.pk) for found in Conversation.objects.all()] == [kept]
    assert {str(said.conversation_id) for said in Message.objects.all()} == {kept}
    assert bob.post(f"conversations/{gone}/restore").status_code == 404


def test_it_is_not_brought_back_later_though_nobody_forgot_it_yet(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Gone")
    bob.delete(f"conversations/{conversation}")
    Conversation.objects.update(deleted_at=timezone.now() - KEPT_DELETED)

    assert bob.post(f"conversations/{conversation}/restore").status_code == 404
    assert forget_deleted(at=timezone.now() + timedelta(seconds=1)) == 1


def test_one_that_is_forgotten_at_this_moment_is_not_there_any_more(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    deleted = Conversation.objects.get(pk=talk(bob, agent, "Gone"))
    keeping.conversation_delete(conversation=deleted)
    forget_deleted(at=timezone.now() + 2 * KEPT_DELETED)

    with pytest.raises(PageNotFound):
        keeping.conversation_restore(conversation=deleted)


def test_what_an_agent_still_answers_in_is_not_forgotten(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Hello")
    bob.delete(f"conversations/{conversation}")
    Run.objects.update(status="running", started_at=timezone.now(), finished_at=None)

    assert forget_deleted(at=timezone.now() + 2 * KEPT_DELETED) == 0

    Run.objects.update(status="stopped", finished_at=timezone.now())
    assert forget_deleted(at=timezone.now() + 2 * KEPT_DELETED) == 1


# Taking away


ANSWER = (
    timeline.Tool("Reading Acme Calendar", "done"),
    timeline.Consent(
        id="c1",
        state="granted",
        agent="Helper",
        provider="Acme Calendar",
        scopes=({"name": "calendar.read", "words": "See your events"},),
        expires_at="2099-01-01T00:00:00+00:00",
    ),
    timeline.Text("You have **two** meetings."),
)


def test_what_a_tool_did_is_taken_away_too(agent: Agent, person: MakePerson) -> None:
    access = {"provider": "Acme Calendar", "scopes": [{"name": "read", "words": "See events"}]}
    call = timeline.Tool(
        "Reading",
        "done",
        "read_calendar",
        '{\n  "day": 1\n}',
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:01:05+00:00",
        (access,),
    )
    bob = person("bob")
    conversation = talk(bob, agent, "What is on today?", call, timeline.Text("Nothing."))

    text = bob.browser.get(f"/chat/{conversation}/export/markdown/").content.decode()
    [part, _] = bob.browser.get(f"/chat/{conversation}/export/json/").json()["messages"][1]["parts"]

    assert (
        "> Used: Reading · 1 min 5 s\n>\n> On your behalf: Acme Calendar: See events\n>\n"
        '>     read_calendar\n>     {\n>       "day": 1\n>     }\n\nNothing.'
    ) in text
    assert part == timeline.to_json(call)


def test_a_conversation_is_taken_away_as_markdown(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "What is on today?\n\nAll of it.", *ANSWER)

    file = bob.browser.get(f"/chat/{conversation}/export/markdown/")

    assert file["Content-Type"] == "text/markdown; charset=utf-8"
    assert file["Content-Disposition"].startswith("attachment; filename=")
    text = file.content.decode()
    assert text.startswith("# What is on today? All of it.\n\n*Helper · ")
    paragraphs = text.split("\n\n")
    assert [p for p in paragraphs if p.startswith("## You · ")]
    assert [p for p in paragraphs if p.startswith("## Helper · ")]
    assert "What is on today?\n\nAll of it." in text
    assert "> Used: Reading Acme Calendar" in paragraphs
    assert "> Consent (given): Acme Calendar: See your events" in paragraphs
    assert paragraphs[-1] == "You have **two** meetings.\n"


def test_a_conversation_is_taken_away_as_json(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "今日は?", *ANSWER)

    file = bob.browser.get(f"/chat/{conversation}/export/json/")

    document: dict[str, Any] = json.loads(file.content)
    assert document["agent"] == {"id": agent.agent_id, "name": "Helper"}
    asked, answered = document["messages"]
    assert (asked["role"], asked["text"], asked["status"]) == ("user", "今日は?", None)
    assert (answered["role"], answered["status"]) == ("assistant", "done")
    assert [part["kind"] for part in answered["parts"]] == ["tool", "consent", "text"]
    assert "今日は?" in file.content.decode()
    assert "filename*=utf-8''" in file["Content-Disposition"]


@pytest.mark.parametrize("title", ["???", "🎉", "…", ".."])
def test_a_title_that_names_no_file_is_taken_away_under_its_id(
    agent: Agent, person: MakePerson, title: str
) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, title)

    file = bob.browser.get(f"/chat/{conversation}/export/markdown/")

    assert file.status_code == 200
    assert f'"{conversation}.md"' in file["Content-Disposition"]


def test_what_was_stopped_says_so_in_the_file(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent, "Hello", timeline.Text("Hi, I"))
    Run.objects.update(status="stopped")

    text = bob.browser.get(f"/chat/{conversation}/export/markdown/").content.decode()

    assert text.endswith("Hi, I\n\n> You stopped this answer.\n")


# Whose they are


def test_nobody_else_changes_deletes_restores_or_takes_it(agent: Agent, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    conversation = talk(bob, agent, "Mine")

    assert alice.patch(f"conversations/{conversation}", {"title": "Hers"}).status_code == 404
    assert alice.delete(f"conversations/{conversation}").status_code == 404
    for name in ("markdown", "json", "pdf"):
        assert alice.browser.get(f"/chat/{conversation}/export/{name}/").status_code == 404
    bob.delete(f"conversations/{conversation}")
    assert alice.post(f"conversations/{conversation}/restore").status_code == 404

    kept = Conversation.objects.get(pk=conversation)
    assert (kept.title, kept.deleted_at is None) == ("Mine", False)


def test_a_message_that_is_sent_while_it_is_deleted_finds_nothing(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = Conversation.objects.get(pk=talk(bob, agent, "Hello"))
    keeping.conversation_delete(conversation=Conversation.objects.get(pk=conversation.pk))

    signin = Run.objects.get(conversation=conversation).signin
    assert signin is not None

    with pytest.raises(PageNotFound):  # `conversation` was read before it was deleted
        message_send(signin=signin, conversation=conversation, text="More", client_key=uuid4())
    assert not Message.objects.filter(text="More").exists()
