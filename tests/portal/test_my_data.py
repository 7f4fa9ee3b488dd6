"""A person's own data as one file: all that is theirs, nobody else's, and nothing secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from core.audit import Event, record
from core.models import AuditEvent
from portal.activity import PAGE
from portal.models import Conversation, Message, SignIn
from tests.portal.conftest import MakePerson, Person
from tests.portal.holding import calendar, connected
from tests.portal.site import Got, Site

pytestmark = pytest.mark.django_db(transaction=True)

PAGE_PATH = "/connections/data/"
PATH = f"{PAGE_PATH}download/"


def said_in(person: Person, agent: Agent, title: str, text: str) -> Conversation:
    conversation = Conversation.objects.create(user=person.user, agent=agent, title=title)
    Message.objects.create(
        conversation=conversation, role="user", text=text, client_key=conversation.pk
    )
    return conversation


def downloaded(site: Site, person: Person) -> Got:
    token = str(person.browser.get(PAGE_PATH).context["csrf_token"])
    return site.ask(PATH, person.browser, method="POST", headers={"x-csrftoken": token})


def test_it_holds_what_is_theirs_and_nothing_of_anybody_else(
    site: Site, agent: Agent, person: MakePerson
) -> None:
    alice, bob, acme = person("alice"), person("bob"), calendar()
    for who, word in ((alice, "alices-word"), (bob, "bobs-word")):
        said_in(who, agent, f"{word}-title", f"{word} <said>")
        connected(who.user, agent, acme, last_used_at=timezone.now(), last_used_session=word)
        record(Event("agent.invocation", subject=who.user.subject, agent=f"{word}-agent"))

    got = downloaded(site, bob)

    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.headers["content-disposition"] == 'attachment; filename="daiko-data.json"'
    assert "no-store" in got.headers["cache-control"]
    file: dict[str, Any] = json.loads(got.body)
    assert file["profile"]["subject"] == "bob"
    [conversation] = file["conversations"]
    assert conversation["title"] == "bobs-word-title"
    assert [said["text"] for said in conversation["messages"]] == ["bobs-word <said>"]
    [held] = file["connections"]
    assert (held["service"], held["agent"]) == ("Acme Calendar", "Helper")
    assert held["scopes"] == [{"name": "calendar.read", "words": "See your calendar"}]
    assert len(file["signed_in"]) == 1
    assert [one["agent"] for one in file["activity"] if one["agent"]] == ["bobs-word-agent"]
    assert file["activity"][0]["action"] == "person.data.downloaded"
    assert b"alice" not in got.body.lower()


def test_nothing_in_it_opens_anything(site: Site, agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = said_in(bob, agent, "Mine", "Words")
    connected(bob.user, agent, calendar())
    record(Event("agent.invocation", subject=bob.user.subject, client="AKIA-A-KEY"))
    signin = SignIn.objects.get(user=bob.user)
    refresh = signin.refresh_token()
    assert refresh is not None

    body = downloaded(site, bob).body.decode()

    kept = [
        *(
            "sealed-secret",
            refresh.reveal(),
            bob.browser.cookies[settings.SESSION_COOKIE_NAME].value,
        ),
        *(conversation.runtime_session_id, "AKIA-A-KEY"),
    ]
    assert [secret for secret in kept if secret in body] == []


def test_what_was_deleted_is_not_in_it(site: Site, agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    gone = said_in(bob, agent, "Gone", "Words")
    Conversation.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())

    assert json.loads(downloaded(site, bob).body)["conversations"] == []


def test_much_of_it_comes_whole_and_in_order(site: Site, agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    for number in range(3):
        said_in(bob, agent, f"Number {number}", "long words " * 9000)
    for number in range(2 * PAGE):
        record(Event("agent.invocation", subject=bob.user.subject, agent=f"agent-{number}"))

    file = json.loads(downloaded(site, bob).body)

    assert [one["title"] for one in file["conversations"]] == [f"Number {n}" for n in range(3)]
    called = [one["agent"] for one in file["activity"] if one["agent"]]
    assert called == [f"agent-{n}" for n in reversed(range(2 * PAGE))]


def test_a_download_is_on_record_and_the_person_sees_it(
    site: Site, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")

    downloaded(site, bob)

    event = AuditEvent.objects.get(action="person.data.downloaded")
    assert (event.subject_iss, event.subject_sub) == (bob.user.iss, "bob")
    page = bob.browser.get("/connections/activity/").content.decode()
    assert "You downloaded your data" in page


def test_neither_a_link_nor_another_sites_form_nor_a_stranger_gets_it(
    agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")

    assert bob.browser.get(PATH).status_code == 405
    assert bob.browser.post(PATH).status_code == 403
    assert Client().post(PATH).status_code == 401
    assert not AuditEvent.objects.filter(action="person.data.downloaded").exists()


def test_connections_lead_to_it(person: MakePerson) -> None:
    assert f'href="{PAGE_PATH}"' in person("bob").browser.get("/connections/").content.decode()
