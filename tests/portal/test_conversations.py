"""Conversations as JSON and as pages: mine, in order, and each message once."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.test import Client

from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_configure
from core.audit import Actor
from core.errors import Throttled
from core.models import User
from portal.conversations import MAX_ACTIVE_RUNS, message_send, run_retry
from portal.models import Conversation, Message, Run, SignIn
from portal.runs.stream import sync_client
from tests.portal.conftest import MakePerson
from tests.portal.site import PATIENCE_S, soon

pytestmark = pytest.mark.django_db(transaction=True)


def finish_all() -> None:
    for run in Run.objects.filter(status="queued"):
        run.status, run.finished_at = "done", run.created_at
        run.save(update_fields=["status", "finished_at"])


def test_the_agents_are_those_that_the_person_may_use(agent: Agent, person: MakePerson) -> None:
    assert person("bob").get("agents").json() == [
        {
            "id": agent.agent_id,
            "name": "Helper",
            "description": "Helps.",
            "services": [],
            "accepts": [],
        }
    ]
    assert person("charlie").get("agents").json() == []


def test_an_agent_that_is_called_with_access_keys_is_not_offered(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    asked = Configuration.of(agent.versions.get())
    keys = replace(asked, auth_mode="SIGV4", discovery_url="", allowed_clients=())
    agent_configure(agent=agent, asked=keys, actor=Actor("a test"), may_drop_authorizer=True)

    assert bob.get("agents").json() == []
    assert bob.post("conversations", {"agent": agent.agent_id}).status_code == 404

    agent_configure(agent=agent, asked=asked, actor=Actor("a test"))
    assert [found["id"] for found in bob.get("agents").json()] == [agent.agent_id]


def test_an_agent_that_takes_tokens_of_other_clients_alone_is_not_offered(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    asked = Configuration.of(agent.versions.get())
    others = replace(asked, allowed_clients=("another",))
    agent_configure(agent=agent, asked=others, actor=Actor("a test"))

    assert bob.get("agents").json() == []
    assert bob.post("conversations", {"agent": agent.agent_id}).status_code == 404

    both = replace(asked, allowed_clients=("another", *asked.allowed_clients))
    agent_configure(agent=agent, asked=both, actor=Actor("a test"))
    assert [found["id"] for found in bob.get("agents").json()] == [agent.agent_id]


def test_an_agent_that_is_not_for_them_does_not_exist(agent: Agent, person: MakePerson) -> None:
    charlie = person("charlie")

    assert charlie.browser.get(f"/chat/new/{agent.agent_id}/").status_code == 404
    assert charlie.post("conversations", {"agent": agent.agent_id}).status_code == 404
    assert charlie.post("conversations", {"agent": "no-such-agent"}).status_code == 404
    assert not Conversation.objects.exists()


def test_a_disabled_agent_is_not_offered_and_stays_in_its_old_conversations(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    bob.say(conversation, "Hello?")
    Agent.objects.update(enabled=False)

    assert bob.get("agents").json() == []
    assert bob.browser.get(f"/chat/new/{agent.agent_id}/").status_code == 404
    assert bob.post("conversations", {"agent": agent.agent_id}).status_code == 404
    assert [c["id"] for c in bob.get("conversations").json()] == [conversation]
    assert "switched off" in bob.browser.get(f"/chat/{conversation}/").content.decode()


def test_somebody_who_lost_access_reads_on_and_says_nothing_more(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    bob.say(conversation, "Hello?")
    finish_all()
    User.objects.get(sub="bob").groups.clear()

    body = {"text": "And?", "client_key": str(uuid.uuid4())}
    refused = bob.post(f"conversations/{conversation}/messages", body)

    assert (refused.status_code, refused.json()["error"]) == (404, "agent_not_found")
    assert Message.objects.filter(text="And?").count() == 0
    assert "no longer open to you" in bob.browser.get(f"/chat/{conversation}/").content.decode()


def test_a_message_that_is_sent_twice_is_one_message(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation, key = bob.begin(agent), str(uuid.uuid4())

    first = bob.say(conversation, "Hello?", key=key)
    second = bob.say(conversation, "Hello?", key=key)

    assert first == second
    assert Message.objects.filter(role="user").count() == 1
    assert Run.objects.count() == 1
    assert sync_client().xlen("daiko:runs") == 1


def test_a_conversation_has_one_answer_at_a_time(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    bob.say(conversation, "First")

    body = {"text": "Second", "client_key": str(uuid.uuid4())}
    refused = bob.post(f"conversations/{conversation}/messages", body)

    assert (refused.status_code, refused.json()["error"]) == (409, "answer_under_way")
    assert [message.text for message in Message.objects.filter(role="user")] == ["First"]


def test_one_person_has_a_few_answers_at_a_time(agent: Agent, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    Group.objects.get(name="staff").user_set.add(alice.user)
    for _ in range(MAX_ACTIVE_RUNS):
        bob.say(bob.begin(agent), "Hello?")

    body = {"text": "One more", "client_key": str(uuid.uuid4())}
    refused = bob.post(f"conversations/{bob.begin(agent)}/messages", body)

    assert refused.status_code == 429
    assert Run.objects.count() == MAX_ACTIVE_RUNS
    assert alice.say(alice.begin(agent), "Hello?")


def waiting_for_a_lock() -> bool:
    """Say whether anybody waits in the database for what somebody else has locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("again", [False, True], ids=["a message", "a retry"])
def test_messages_at_once_count_each_other(
    again: bool, agent: Agent, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = person("bob")
    signin = SignIn.objects.get(user=bob.user)
    first, second = (Conversation.objects.get(pk=bob.begin(agent)) for _ in range(2))
    old = Run.objects.get(pk=bob.say(str(second.pk), "Hello?")["id"])
    finish_all()
    monkeypatch.setattr("portal.conversations.MAX_ACTIVE_RUNS", 1)
    refused: list[Throttled] = []

    def ask_too() -> None:
        try:
            if again:
                run_retry(signin=signin, run=old)
            else:
                message_send(
                    signin=signin, conversation=second, text="Two", client_key=uuid.uuid4()
                )
        except Throttled as exc:
            refused.append(exc)
        finally:
            connections.close_all()

    asking = threading.Thread(target=ask_too)
    with transaction.atomic():
        message_send(signin=signin, conversation=first, text="One", client_key=uuid.uuid4())
        asking.start()
        soon(lambda: waiting_for_a_lock() or not asking.is_alive())
    asking.join(PATIENCE_S)

    assert len(refused) == 1
    assert Run.objects.filter(status="queued").count() == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "Write something first."),
        (" \n ", "Write something first."),
        ("ä" * 16_385, "The message is too long: 33 of at most 32 KB."),
        ("nul \x00", "not allowed"),
        ("half a \ud800 character", "not allowed"),
    ],
)
def test_a_message_that_cannot_be_taken_is_refused_in_words(
    text: str, words: str, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)

    body = {"text": text, "client_key": str(uuid.uuid4())}
    refused = bob.post(f"conversations/{conversation}/messages", body)

    assert refused.status_code == 400
    assert words in refused.json()["message"]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "Hi"},
        {"text": "Hi", "client_key": "no-uuid"},
        {"text": ["Hi"], "client_key": str(uuid.uuid4())},
        {"client_key": str(uuid.uuid4())},
    ],
)
def test_a_message_that_is_none_is_refused(
    body: dict[str, object], agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)

    refused = bob.post(f"conversations/{conversation}/messages", body)

    assert (refused.status_code, set(refused.json())) == (400, {"error", "message", "fields"})
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "body, status, error",
    [
        ('{"agent": ' + "[" * 50_000 + "]" * 50_000 + "}", 400, "parse_error"),
        ('{"agent": "' + "x" * (1 << 20) + '"}', 413, "too_large"),
        ("{", 400, "parse_error"),
        ('{"agent": ' + "9" * 5000 + "}", 400, "parse_error"),
    ],
    ids=["nested", "large", "cut", "number"],
)
def test_a_body_that_cannot_be_read_is_refused_as_json_and_nothing_happens(
    body: str, status: int, error: str, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    page = bob.browser.get("/connections/")

    refused = bob.browser.post(
        "/api/v1/conversations",
        body,
        content_type="application/json",
        headers={"X-CSRFToken": str(page.context["csrf_token"])},
    )

    assert (refused.status_code, refused["content-type"]) == (status, "application/json")
    assert set(refused.json()) == {"error", "message"}
    assert refused.json()["error"] == error
    assert not Conversation.objects.exists()


def test_markup_of_a_person_stays_text(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    bob.say(conversation, "<script>alert(1)</script> **bold**")

    page = bob.browser.get(f"/chat/{conversation}/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold**" in page
    assert "<script>alert" not in page


def test_conversations_are_named_by_their_first_message_and_listed_newest_first(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    first, second = bob.begin(agent), bob.begin(agent)
    bob.begin(agent)  # nothing is said in it
    bob.say(first, "What is\non my   calendar?")
    bob.say(second, "A very long question " * 10)
    finish_all()
    bob.say(first, "And tomorrow?")

    listed = bob.get("conversations").json()

    assert [item["id"] for item in listed] == [first, second]
    assert listed[0]["title"] == "What is on my calendar?"
    assert len(listed[1]["title"]) <= 81
    assert listed[1]["title"].endswith("…")


def test_asking_again_takes_the_place_of_the_old_answer(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    old = bob.say(conversation, "Hello?")
    finish_all()

    again = bob.post(f"runs/{old['id']}/retry")

    assert again.status_code == 201
    new = again.json()["run"]["id"]
    messages = bob.get(f"conversations/{conversation}").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["run"]["id"] == new != old["id"]
    assert bob.get(f"conversations/{conversation}").json()["active_run"] == new


def test_only_the_last_answer_can_be_asked_for_again(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    first = bob.say(conversation, "First")
    assert bob.post(f"runs/{first['id']}/retry").status_code == 409
    finish_all()
    bob.say(conversation, "Second")
    finish_all()

    refused = bob.post(f"runs/{first['id']}/retry")

    assert (refused.status_code, refused.json()["error"]) == (409, "not_the_last_answer")
    assert Run.objects.count() == 2


def test_runtime_sessions_cannot_be_guessed_and_are_long_enough(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    ids = {Conversation.objects.get(pk=bob.begin(agent)).runtime_session_id for _ in range(3)}

    assert len(ids) == 3
    assert all(len(session_id) >= 33 + 10 for session_id in ids)


def test_a_stranger_sees_what_this_is_and_nothing_else() -> None:
    stranger = Client()
    assert "Sign in" in stranger.get("/").content.decode()
    assert stranger.get("/chat/new/x/").status_code == 302
    assert stranger.get(f"/chat/{uuid.uuid4()}/").status_code == 302
    for path in ("agents", "conversations", f"conversations/{uuid.uuid4()}"):
        assert stranger.get(f"/api/v1/{path}").status_code == 401
