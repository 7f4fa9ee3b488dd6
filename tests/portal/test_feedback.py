"""What people think of answers: for them alone, in what they take away, gone with the answer."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from portal import timeline
from portal.feedback import Verdicts, verdicts
from portal.keeping import KEPT_DELETED, forget_deleted
from portal.models import Feedback, Run
from tests.portal.conftest import MakePerson, Person
from tests.portal.test_keeping import talk

pytestmark = pytest.mark.django_db(transaction=True)

BAD = {"verdict": "bad", "words": "It was yesterday's calendar."}


def answered(person: Person, agent: Agent) -> tuple[str, str]:
    """Return a conversation of theirs, and where feedback on its one answer is given."""
    conversation = talk(person, agent, "What is on today?", timeline.Text("A review."))
    return conversation, f"runs/{Run.objects.get(conversation_id=UUID(conversation)).pk}/feedback"


def test_it_is_said_changed_and_taken_back(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation, path = answered(bob, agent)
    assert bob.answer(conversation)["feedback"] is None

    said = bob.put(path, {"verdict": "good"})
    assert (said.status_code, said.json()) == (200, {"verdict": "good", "words": ""})
    assert bob.answer(conversation)["feedback"] == said.json()

    assert bob.put(path, {**BAD, "words": f"  {BAD['words']}\n"}).json() == BAD
    assert bob.answer(conversation)["feedback"] == BAD
    page = bob.browser.get(f"/chat/{conversation}/").content.decode()
    assert "It was yesterday&#x27;s calendar." in page

    assert bob.put(path, {"verdict": "good"}).json() == {"verdict": "good", "words": ""}
    for _ in range(2):
        assert bob.delete(path).status_code == 204
    assert bob.answer(conversation)["feedback"] is None
    assert not Feedback.objects.exists()


def test_nobody_judges_or_forgets_what_others_were_answered(
    agent: Agent, person: MakePerson
) -> None:
    bob, alice = person("bob"), person("alice")
    conversation, path = answered(bob, agent)

    assert alice.put(path, BAD).status_code == 404
    assert not Feedback.objects.exists()

    bob.put(path, BAD)
    assert alice.put(path, {"verdict": "good"}).status_code == 404
    assert alice.delete(path).status_code == 404
    assert bob.answer(conversation)["feedback"] == BAD


def test_an_answer_under_way_is_not_judged(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello")

    refused = bob.put(f"runs/{run['id']}/feedback", {"verdict": "good"})

    assert (refused.status_code, refused.json()["error"]) == (409, "answer_under_way")
    assert not Feedback.objects.exists()


def test_it_takes_a_page_of_this_site(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    _, path = answered(bob, agent)

    body = json.dumps({"verdict": "good"})
    answer = bob.browser.put(f"/api/v1/{path}", body, content_type="application/json")

    assert answer.status_code == 403
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "great"},
        {"verdict": "bad", "words": "a" * 501},
        {"verdict": "bad", "words": "\x00"},
        {"verdict": "good", "words": "Nothing was wrong."},
    ],
)
def test_what_is_too_long_or_makes_no_sense_is_refused(
    agent: Agent, person: MakePerson, body: dict[str, str]
) -> None:
    bob = person("bob")
    conversation, path = answered(bob, agent)
    bob.put(path, BAD)

    assert bob.put(path, body).status_code == 400
    assert bob.answer(conversation)["feedback"] == BAD

    longest = {"verdict": "bad", "words": "長" * 500}
    assert bob.put(path, longest).json() == longest


def test_the_database_keeps_no_words_of_a_good_answer(agent: Agent, person: MakePerson) -> None:
    answered(person("bob"), agent)

    with pytest.raises(IntegrityError), transaction.atomic():
        Feedback.objects.create(run=Run.objects.get(), verdict="good", words="Why?")


def test_it_goes_with_the_conversation(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation, path = answered(bob, agent)
    bob.put(path, BAD)

    bob.delete(f"conversations/{conversation}")

    assert bob.put(path, {"verdict": "good"}).status_code == 404
    assert bob.delete(path).status_code == 404
    assert Feedback.objects.get().verdict == "bad"
    forget_deleted(at=timezone.now() + KEPT_DELETED + timedelta(seconds=1))
    assert not Feedback.objects.exists()


def test_it_is_in_what_a_person_takes_away(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    conversation, path = answered(bob, agent)
    bob.put(path, {"verdict": "bad", "words": "Wrong day.\n# And year"})

    markdown = bob.browser.get(f"/chat/{conversation}/export/markdown/").content.decode()
    asked, told = bob.browser.get(f"/chat/{conversation}/export/json/").json()["messages"]

    assert "\n> Your feedback: Bad answer\n>\n>     Wrong day.\n>     # And year\n" in markdown
    assert asked["feedback"] is None
    assert told["feedback"] == {"verdict": "bad", "words": "Wrong day.\n# And year"}

    bob.delete(path)
    for name in ("markdown", "json"):
        file = bob.browser.get(f"/chat/{conversation}/export/{name}/").content.decode()
        assert "Bad answer" not in file
        assert "Wrong day" not in file


def test_admins_are_told_how_many_once_several_people_have_said_so_and_no_words(
    agent: Agent, person: MakePerson
) -> None:
    Agent.objects.update(allow_everyone=True)
    now = timezone.now()
    span = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    for name, said in (("bob", BAD), ("charlie", {"verdict": "good"})):
        somebody = person(name)
        for _ in range(2):
            somebody.put(answered(somebody, agent)[1], said)
    alice = person("alice")
    _conversation, path = answered(alice, agent)
    assert verdicts(**span) == []
    page = alice.browser.get("/admin/").content.decode()
    assert "once three people have said" in page

    alice.put(path, BAD)

    assert verdicts(**span) == [Verdicts(agent.pk, good=2, bad=3)]
    assert verdicts(since=span["until"], until=span["until"] + timedelta(hours=1)) == []
    page = alice.browser.get("/admin/").content.decode()
    assert ">Helper</a></th><td>2</td><td>3</td>" in page
    assert "yesterday" not in page
