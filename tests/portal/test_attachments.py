"""Files that people attach: what is taken, whose they are, where they go, when they are gone."""

from __future__ import annotations

import base64
import uuid
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote

import pytest
from ag_ui.core import RunAgentInput
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from portal import attachments
from portal.attachments import media_type_of
from portal.keeping import KEPT_DELETED, forget_deleted
from portal.models import Attachment, Conversation, Message, Run
from portal.runs.question import Attached, Question, Said
from portal.tasks import forget_deleted_conversations
from tests.portal.agent import AgentServer
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Site

pytestmark = pytest.mark.django_db(transaction=True)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
EVERYTHING = ["images", "pdf", "text"]


@pytest.fixture
def reader(agent: Agent) -> Agent:
    agent.accepts = EVERYTHING
    agent.allow_everyone = True
    agent.save()
    return agent


@pytest.fixture
def bob(person: MakePerson, reader: Agent) -> Person:
    return person("bob")


def upload(
    who: Person, agent: Agent, content: bytes, name: str = "a.txt", *, csrf: bool = True
) -> Any:
    token = str(who.browser.get("/connections/").context["csrf_token"]) if csrf else ""
    return who.browser.generic(
        "POST",
        f"/api/v1/attachments?agent={agent.agent_id}&name={quote(name)}",
        content,
        content_type="application/octet-stream",
        headers={"X-CSRFToken": token},
    )


def taken(who: Person, agent: Agent, content: bytes, name: str = "a.txt") -> str:
    answer = upload(who, agent, content, name)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def say(who: Person, conversation: str, *files: str, key: str = "", text: str = "Look?") -> Any:
    body = {"text": text, "client_key": key or str(uuid.uuid4()), "attachments": list(files)}
    return who.post(f"conversations/{conversation}/messages", body)


def attached(who: Person, conversation: str) -> list[list[str]]:
    """Return the names of what is attached to each question."""
    thread = who.get(f"conversations/{conversation}").json()["messages"]
    return [
        [one["name"] for one in message["attachments"]]
        for message in thread
        if message["role"] == "user"
    ]


def finish() -> None:
    Run.objects.filter(status="queued").update(
        status="done", finished_at=timezone.now(), reference="r"
    )


@pytest.mark.parametrize(
    "content, name, media_type",
    [
        (PNG, "x.txt", "image/png"),
        (b"\xff\xd8\xff\xe0rest", "x", "image/jpeg"),
        (b"GIF89a...", "x.pdf", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "x.webp", "image/webp"),
        (b"%PDF-1.7\n\xff\xfe", "x.png", "application/pdf"),
        ("Grüße".encode(), "x.txt", "text/plain"),
        (b"a,b\n1,2\n", "x.CSV", "text/csv"),
        (b"# T\n", "x.md", "text/markdown"),
        (b"{}", "x.json", "application/json"),
        (b"<script>alert(1)</script>", "x.html", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg", "text/plain"),
        (b"\x7fELF\x02\x01", "x.txt", None),
        (b"PK\x03\x04", "x.txt", None),
        (b"text\x00", "x.txt", None),
        (b"\xff\xfe", "x.txt", None),
    ],
)
def test_a_file_is_what_its_content_is(content: bytes, name: str, media_type: str | None) -> None:
    assert media_type_of(content, name=name) == media_type


def test_what_is_attached_goes_to_the_agent_with_its_question_alone(
    site: Site, reader: Agent, agent_server: AgentServer, bob: Person
) -> None:
    conversation = bob.begin(reader)
    files = [taken(bob, reader, b"Hello file.", "notes.md"), taken(bob, reader, PNG, "dot.png")]

    run = say(bob, conversation, *files).json()["run"]
    site.events(run, bob.browser)
    site.events(bob.say(conversation, "And now?"), bob.browser)

    first, second = (call.body for call in agent_server.calls)
    assert first == {
        "prompt": "Look?",
        "attachments": [
            {
                "name": "notes.md",
                "mediaType": "text/markdown",
                "data": base64.b64encode(b"Hello file.").decode(),
            },
            {
                "name": "dot.png",
                "mediaType": "image/png",
                "data": base64.b64encode(PNG).decode(),
            },
        ],
    }
    assert second == {"prompt": "And now?"}
    assert attached(bob, conversation) == [["notes.md", "dot.png"], []]


def test_over_ag_ui_it_is_parts_of_the_last_message() -> None:
    message = uuid.uuid4()
    asked = Question(
        "Look?",
        (Said(message, "user", "Before?"), Said(message, "user", "Look?")),
        (Attached("dot.png", "image/png", PNG), Attached("x.pdf", "application/pdf", b"%PDF-")),
    )

    sent = RunAgentInput.model_validate_json(asked.body(thread_id="t", run_id="r"))

    before, last = sent.messages
    assert before.content == "Before?"
    text, picture, document = cast("list[Any]", last.content)
    assert (text.type, text.text) == ("text", "Look?")
    assert (picture.type, picture.source.mime_type) == ("image", "image/png")
    assert base64.b64decode(picture.source.value) == PNG
    assert (document.type, document.source.mime_type) == ("document", "application/pdf")
    assert document.metadata == {"filename": "x.pdf"}


def test_it_is_shown_to_its_person_as_what_it_is_and_to_nobody_else(
    reader: Agent, bob: Person, person: MakePerson
) -> None:
    picture, text = taken(bob, reader, PNG, "dot.png"), taken(bob, reader, b"<b>x</b>", "x.html")

    shown = bob.browser.get(f"/attachments/{picture}/")
    saved = bob.browser.get(f"/attachments/{text}/")

    assert (shown.content, shown["Content-Type"]) == (PNG, "image/png")
    assert shown["Content-Disposition"] == 'inline; filename="dot.png"'
    assert (saved.content, saved["Content-Type"]) == (b"<b>x</b>", "application/octet-stream")
    assert saved["Content-Disposition"] == 'attachment; filename="x.html"'
    for answer in (shown, saved):
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "script-src" not in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer["Cache-Control"]
    for other in (person("alice").browser, Client()):
        for file in (picture, text):
            answer = other.get(f"/attachments/{file}/")
            assert answer.status_code in (404, 302)
            assert PNG not in answer.content


@pytest.mark.parametrize(
    "content, name, accepts, told",
    [
        (b"", "x.txt", EVERYTHING, "The file is empty."),
        (b"x", "x.txt", [], "Helper takes no attachments."),
        (b"x", "x.png", ["images"], "It takes: Images: PNG, JPEG, WebP, GIF."),
        (PNG, "x.txt", ["text", "pdf"], "It takes: Text"),
        (b"\0\1", "x.txt", EVERYTHING, "does not take this file"),
        (b"x" * (attachments.MAX_BYTES + 1), "x.txt", EVERYTHING, "at most 10 MB"),
    ],
)
def test_what_the_agent_does_not_take_is_refused_and_not_kept(
    *, content: bytes, name: str, accepts: list[str], told: str, reader: Agent, bob: Person
) -> None:
    reader.accepts = accepts
    reader.save()

    answer = upload(bob, reader, content, name)

    assert answer.status_code == 400
    assert told in answer.json()["message"]
    assert not Attachment.objects.exists()


def test_a_page_of_somebody_else_uploads_nothing(reader: Agent, bob: Person) -> None:
    assert upload(bob, reader, b"x", csrf=False).status_code == 403
    assert Client().post("/api/v1/attachments").status_code == 401
    assert not Attachment.objects.exists()


def test_nobody_uploads_for_an_agent_that_is_not_theirs(
    reader: Agent, person: MakePerson, bob: Person
) -> None:
    reader.allow_everyone = False
    reader.save()

    assert upload(person("charlie"), reader, b"x").status_code == 404
    assert not Attachment.objects.exists()


def test_a_person_uploads_no_more_than_a_bound(
    reader: Agent, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "_MAX_WAITING_BYTES", 5)
    first = taken(bob, reader, b"1234")

    assert upload(bob, reader, b"56").status_code == 400
    assert Attachment.objects.count() == 1

    say(bob, bob.begin(reader), first)
    assert upload(bob, reader, b"56").status_code == 201


@pytest.mark.parametrize(
    "name, shown",
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\secrets\\a.txt", "a.txt"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("a\nb.txt", "a b.txt"),
        ("..", "file"),
        ("x" * 300 + ".md", "x" * 197 + ".md"),
    ],
)
def test_a_name_is_one_line_and_no_path(name: str, shown: str, reader: Agent, bob: Person) -> None:
    assert upload(bob, reader, b"x", name).json()["name"] == shown


def test_nobody_sends_what_is_somebody_elses(
    reader: Agent, bob: Person, person: MakePerson
) -> None:
    theirs = taken(person("alice"), reader, b"alice's")
    conversation = bob.begin(reader)

    answer = say(bob, conversation, theirs)

    assert answer.status_code == 400
    assert not Message.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize("why", ["too many", "too large", "not taken any more", "gone"])
def test_a_message_whose_files_are_not_taken_is_not_sent(
    why: str, reader: Agent, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [taken(bob, reader, b"1234", f"{n}.txt") for n in range(6)]
    conversation = bob.begin(reader)
    if why == "too large":
        monkeypatch.setattr(attachments, "MAX_MESSAGE_BYTES", 7)
    if why == "not taken any more":
        Agent.objects.update(accepts=["images"])
    if why == "gone":
        assert bob.delete(f"attachments/{files[0]}").status_code == 204

    answer = say(bob, conversation, *files[: 6 if why == "too many" else 2])

    assert answer.status_code == 400
    assert not Message.objects.exists()
    assert Attachment.objects.filter(messages=None).count() == (5 if why == "gone" else 6)


def test_what_was_sent_is_not_dropped_and_nobody_drops_somebody_elses(
    reader: Agent, bob: Person, person: MakePerson
) -> None:
    sent, waiting = taken(bob, reader, b"1"), taken(bob, reader, b"2")
    say(bob, bob.begin(reader), sent)

    assert bob.delete(f"attachments/{sent}").status_code == 404
    assert person("alice").delete(f"attachments/{waiting}").status_code == 404
    assert Attachment.objects.count() == 2
    assert bob.delete(f"attachments/{waiting}").status_code == 204


def test_the_same_message_twice_has_its_files_once(reader: Agent, bob: Person) -> None:
    conversation, key = bob.begin(reader), str(uuid.uuid4())
    file = taken(bob, reader, b"1")

    first, second = (say(bob, conversation, file, key=key) for _ in range(2))

    assert first.json()["message"]["id"] == second.json()["message"]["id"]
    assert attached(bob, conversation) == [["a.txt"]]


def test_a_question_that_is_edited_keeps_its_files_and_so_do_those_before_it(
    reader: Agent, bob: Person
) -> None:
    conversation = bob.begin(reader)
    for name in ("one.txt", "two.txt"):
        say(bob, conversation, taken(bob, reader, b"x", name))
        finish()
    last = Message.objects.filter(role="user").latest("created_at")

    made = bob.post(
        f"messages/{last.pk}/edit", {"text": "Other?", "client_key": str(uuid.uuid4())}
    ).json()["id"]

    assert attached(bob, made) == attached(bob, conversation) == [["one.txt"], ["two.txt"]]
    assert Attachment.objects.count() == 2


@pytest.mark.parametrize("way", ["edit", "retry"])
def test_what_is_not_taken_any_more_is_not_asked_again_with_its_question(
    way: str, reader: Agent, bob: Person
) -> None:
    conversation = bob.begin(reader)
    say(bob, conversation, taken(bob, reader, b"x"))
    finish()
    Agent.objects.update(accepts=["images"])
    [question], [run] = Message.objects.filter(role="user"), Run.objects.all()

    if way == "edit":
        asked = {"text": "Other?", "client_key": str(uuid.uuid4())}
        answer = bob.post(f"messages/{question.pk}/edit", asked)
    else:
        answer = bob.post(f"runs/{run.pk}/retry")

    assert answer.status_code == 400
    assert "does not take this file" in answer.json()["message"]
    assert list(Run.objects.all()) == [run]
    assert Conversation.objects.count() == 1


def test_files_are_gone_with_the_last_conversation_that_they_are_in(
    reader: Agent, bob: Person
) -> None:
    conversation = bob.begin(reader)
    file = taken(bob, reader, b"x")
    say(bob, conversation, file)
    finish()
    Attachment.objects.update(created_at=timezone.now() - timedelta(days=2))
    forget_deleted_conversations()
    assert bob.browser.get(f"/attachments/{file}/").status_code == 200

    bob.delete(f"conversations/{conversation}")
    assert bob.browser.get(f"/attachments/{file}/").status_code == 404
    bob.post(f"conversations/{conversation}/restore")
    assert bob.browser.get(f"/attachments/{file}/").status_code == 200

    Attachment.objects.update(created_at=timezone.now())
    bob.delete(f"conversations/{conversation}")
    Conversation.objects.update(deleted_at=timezone.now() - 2 * KEPT_DELETED)
    forget_deleted(at=timezone.now())
    assert not Attachment.objects.exists()
    assert bob.browser.get(f"/attachments/{file}/").status_code == 404


def test_a_file_stays_while_another_conversation_has_it(reader: Agent, bob: Person) -> None:
    conversation = bob.begin(reader)
    file = taken(bob, reader, b"x")
    asked = say(bob, conversation, file).json()["message"]["id"]
    finish()
    again = {"text": "Other?", "client_key": str(uuid.uuid4())}
    branch = bob.post(f"messages/{asked}/edit", again).json()["id"]
    finish()

    Conversation.objects.filter(pk=conversation).update(
        deleted_at=timezone.now() - 2 * KEPT_DELETED
    )
    forget_deleted(at=timezone.now())

    assert attached(bob, branch) == [["a.txt"]]
    assert bob.browser.get(f"/attachments/{file}/").status_code == 200


def test_there_is_room_for_so_much_and_deleting_makes_more(
    reader: Agent, bob: Person, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "_MAX_KEPT_BYTES", 10)
    conversation = bob.begin(reader)
    say(bob, conversation, taken(bob, reader, b"123456"))
    finish()

    refused = upload(bob, reader, b"12345")

    assert refused.status_code == 400
    assert "Delete a conversation" in refused.json()["message"]
    taken(bob, reader, b"1234")
    taken(person("alice"), reader, b"12345")
    bob.delete(f"conversations/{conversation}")
    Conversation.objects.update(deleted_at=timezone.now() - 2 * KEPT_DELETED)
    forget_deleted(at=timezone.now())
    taken(bob, reader, b"12345")


def test_what_waits_is_forgotten_after_a_day(reader: Agent, bob: Person) -> None:
    old, new = taken(bob, reader, b"old"), taken(bob, reader, b"new")
    Attachment.objects.filter(pk=old).update(created_at=timezone.now() - timedelta(hours=25))

    forget_deleted_conversations()

    assert [str(one.pk) for one in Attachment.objects.all()] == [new]


def test_a_conversation_that_is_taken_away_names_its_files(reader: Agent, bob: Person) -> None:
    conversation = bob.begin(reader)
    say(bob, conversation, taken(bob, reader, b"Hello", "# notes.md"))
    finish()

    text = bob.browser.get(f"/chat/{conversation}/export/markdown/").content.decode()
    document = bob.browser.get(f"/chat/{conversation}/export/json/").json()

    assert "Look?\n\n> Attached\n>\n>     # notes.md (5\xa0bytes)\n" in text
    asked, answered = document["messages"]
    [file] = asked["attachments"]
    assert (file["name"], file["media_type"], file["size"]) == ("# notes.md", "text/markdown", 5)
    assert bob.browser.get(file["url"]).content == b"Hello"
    assert answered["attachments"] == []


def test_looking_at_a_conversation_reads_no_file(reader: Agent, bob: Person) -> None:
    conversation = bob.begin(reader)
    say(bob, conversation, taken(bob, reader, b"x" * 1000), taken(bob, reader, b"y" * 1000))
    finish()

    with CaptureQueriesContext(connection) as asked:
        bob.get(f"conversations/{conversation}")

    files = [q["sql"] for q in asked if 'FROM "portal_attachment"' in q["sql"]]
    assert len(files) == 1
    assert '"content"' not in files[0]
