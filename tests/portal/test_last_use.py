"""Where a connection was last used, as the page of connections tells it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from agents.models import Agent
from portal.models import Conversation
from tests.portal.conftest import MakePerson, Person
from tests.portal.holding import calendar, connected

pytestmark = pytest.mark.django_db(transaction=True)


def used_in(person: Person, agent: Agent, session: str) -> None:
    connected(
        person.user, agent, calendar(), last_used_at=timezone.now(), last_used_session=session
    )


def page_of(person: Person) -> str:
    answer = person.browser.get("/connections/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def talk(person: Person, agent: Agent) -> Conversation:
    begun = person.begin(agent)
    person.say(begun, "Trip to <Osaka>")
    return Conversation.objects.get(pk=begun)


def test_it_leads_to_the_conversation(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent)
    used_in(bob, agent, conversation.runtime_session_id)

    page = page_of(bob)

    link = f'<a href="/chat/{conversation.pk}/">in “Trip to &lt;Osaka&gt;”</a>'
    assert link in page
    assert "outside the chat" not in page


def test_a_deleted_conversation_is_told_of_and_not_led_to(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation = talk(bob, agent)
    used_in(bob, agent, conversation.runtime_session_id)
    bob.delete(f"conversations/{conversation.pk}")

    page = page_of(bob)

    assert "in a conversation that you deleted" in page
    assert "Osaka" not in page
    assert str(conversation.pk) not in page


@pytest.mark.parametrize("session", ["", "my-own-program-" + "x" * 24])
def test_another_program_is_told_of(session: str, agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    used_in(bob, agent, session)

    assert "outside the chat, by another program" in page_of(bob)


def test_somebody_elses_conversation_is_not_told_of_whatever_a_caller_named(
    agent: Agent, person: MakePerson
) -> None:
    alice, bob = person("alice"), person("bob")
    hers = Conversation.objects.create(user=alice.user, agent=agent, title="Trip to Osaka")
    used_in(bob, agent, hers.runtime_session_id)

    page = page_of(bob)

    assert "Osaka" not in page
    assert str(hers.pk) not in page


def test_what_was_never_used_was_used_nowhere(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    connected(bob.user, agent, calendar())

    page = page_of(bob)

    assert "Not yet" in page
    assert "outside the chat" not in page
