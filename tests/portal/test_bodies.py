"""Bodies that people's pages wait for: whole, in time, and no larger than anybody needs."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from agents.models import Agent
from core.wire import body
from portal import pages
from portal.models import Conversation, SignIn
from portal.signins import signin_end
from tests.core.wire.serving import served
from tests.portal.conftest import MakePerson, Person

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 30.0
PLACES = ["/oidc/logout/", "/api/v1/conversations", "/admin/", "/nowhere/"]


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with served(pages.application) as url:
        there = urlsplit(url)
        assert there.hostname is not None
        assert there.port is not None
        yield there.hostname, there.port


def answer_to(address: tuple[str, int], head: list[str], *sent: bytes) -> str:
    """Return the status line that a request is answered with."""
    with socket.create_connection(address, timeout=PATIENCE_S) as line:
        line.sendall("\r\n".join([*head, "Host: testserver", "", ""]).encode())
        for chunk in sent:
            try:
                line.sendall(chunk)
            except ConnectionError:  # it was answered, and read no further
                break
        return line.makefile("rb").readline().decode().strip()


def head_of(person: Person, path: str, length: int) -> list[str]:
    """Return the head of a request that the person's page makes."""
    token = str(person.browser.get("/connections/").context["csrf_token"])
    cookies = "; ".join(f"{name}={each.value}" for name, each in person.browser.cookies.items())
    return [
        f"POST /api/v1/{path} HTTP/1.1",
        f"Cookie: {cookies}",
        f"X-CSRFToken: {token}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]


@pytest.mark.parametrize("path", PLACES)
def test_a_body_that_does_not_come_is_waited_for_no_longer_than_it_takes(
    address: tuple[str, int], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.2)

    status = answer_to(address, [f"POST {path} HTTP/1.1", "Content-Length: 100"], b"begun")

    assert status == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize("path", PLACES)
def test_a_body_that_is_larger_than_any_form_is_refused_as_it_comes(
    address: tuple[str, int], path: str
) -> None:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    head = [f"POST {path} HTTP/1.1", f"Content-Length: {1000 * most}"]

    status = answer_to(address, head, *[b"x" * most] * 3)

    assert status == "HTTP/1.1 413 Payload Too Large"


@pytest.mark.parametrize("who", ["nobody", "signed out", "signed in"])
def test_only_who_is_signed_in_may_send_as_much_as_a_file_has(
    address: tuple[str, int], who: str, person: MakePerson
) -> None:
    bob, most = person("bob"), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    head = ["POST /api/v1/attachments HTTP/1.1", f"Content-Length: {3 * most}"]
    if who != "nobody":
        head = head_of(bob, "attachments", 3 * most)
    if who == "signed out":
        signin_end(SignIn.objects.get())

    status = answer_to(address, head, *[b"x" * most] * 3)

    # Read whole, and no form: what it is wrong with comes after who sent it.
    wrong = "HTTP/1.1 415 Unsupported Media Type"
    assert status == (wrong if who == "signed in" else "HTTP/1.1 401 Unauthorized")


def test_what_came_only_in_part_is_not_done(
    agent: Agent,
    person: MakePerson,
    address: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.2)
    bob = person("bob")
    asked = json.dumps({"agent": agent.agent_id}).encode()

    status = answer_to(address, head_of(bob, "conversations", len(asked) + 1), asked)
    assert status == "HTTP/1.1 400 Bad Request"
    assert not Conversation.objects.exists()

    status = answer_to(address, head_of(bob, "conversations", len(asked)), asked)
    assert status == "HTTP/1.1 201 Created"
    assert Conversation.objects.count() == 1


def test_a_body_in_pieces_arrives_as_it_was_sent(
    address: tuple[str, int], agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    said = {"text": "日本" * 5000, "client_key": "0d2c6f0a-2f6b-4b61-8f5e-5b5c5d5e5f50"}
    asked = json.dumps(said, ensure_ascii=False).encode()
    head = head_of(bob, f"conversations/{conversation}/messages", len(asked))
    pieces = [asked[at : at + 1000] for at in range(0, len(asked), 1000)]

    status = answer_to(address, head, *pieces)

    assert status == "HTTP/1.1 201 Created"
    assert bob.get(f"conversations/{conversation}").json()["messages"][0]["text"] == said["text"]
