"""All conversations of a person deleted at once, and brought back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from portal.keeping import KEPT_DELETED
from portal.models import Conversation, Message, Run
from tests.portal.conftest import MakePerson, Person
from tests.portal.test_keeping import listed, talk

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/connections/data/"
DELETE, RESTORE = f"{PAGE}delete/", f"{PAGE}restore/"


def post(person: Person, path: str) -> Any:
    token = str(person.browser.get(PAGE).context["csrf_token"])
    return person.browser.post(path, {"csrfmiddlewaretoken": token}, follow=True)


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def hers(alice: Person, agent: Agent) -> Conversation:
    conversation = Conversation.objects.create(user=alice.user, agent=agent, title="Hers")
    Message.objects.create(
        conversation=conversation, role="user", text="Hers", client_key=conversation.pk
    )
    return conversation


def test_all_of_ones_own_are_gone_and_nobody_elses(agent: Agent, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    hers(alice, agent)
    first, _second = talk(bob, agent, "One"), talk(bob, agent, "Two")
    assert "There are 2 conversations" in text_of(bob.browser.get(PAGE))

    page = text_of(post(bob, DELETE))

    assert "2 conversations deleted." in page
    assert "Undo" in page
    assert listed(bob) == []
    assert bob.get(f"conversations/{first}").status_code == 404
    assert listed(alice) == ["Hers"]


def test_undo_brings_them_back_as_they_were(agent: Agent, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    other = hers(alice, agent)
    talk(bob, agent, "One")
    talk(bob, agent, "Two")
    before = listed(bob)
    post(bob, DELETE)
    Conversation.objects.filter(pk=other.pk).update(deleted_at=timezone.now())

    page = text_of(post(bob, RESTORE))

    assert "2 conversations are back." in page
    assert "Undo" not in page
    assert listed(bob) == before
    assert listed(alice) == []


def test_after_ten_minutes_there_is_nothing_to_undo(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    talk(bob, agent, "One")
    post(bob, DELETE)
    Conversation.objects.update(deleted_at=timezone.now() - KEPT_DELETED - timedelta(seconds=1))

    assert "Undo" not in text_of(bob.browser.get(PAGE))
    post(bob, RESTORE)
    assert listed(bob) == []


def test_an_answer_under_way_stops(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Tell me a long story")
    assert Run.objects.get(pk=run["id"]).status in Run.ACTIVE

    post(bob, DELETE)

    assert Run.objects.get(pk=run["id"]).status == Run.Status.STOPPED


def test_it_asks_first_without_javascript_too(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    talk(bob, agent, "One")

    page = text_of(bob.browser.get(DELETE))

    assert "Delete 1 conversation?" in page
    assert listed(bob) == ["One"]


@pytest.mark.parametrize("path", [DELETE, RESTORE])
def test_neither_another_sites_form_nor_a_stranger_does_it(
    path: str, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    talk(bob, agent, "One")

    assert bob.browser.post(path).status_code == 403
    assert Client().post(path).status_code == 401
    assert listed(bob) == ["One"]
