from strands.types.content import Messages

from demo.agents.caller import Caller
from demo.agents.conversations import Conversations

ALICE = Caller("alice", "", frozenset())
BOB = Caller("bob", "", frozenset())


def said(text: str) -> Messages:
    return [{"role": "user", "content": [{"text": text}]}]


def test_it_recalls_what_the_person_said_in_the_session() -> None:
    conversations = Conversations(capacity=2)

    conversations.keep(ALICE, "one", said("hello"))

    assert conversations.recall(ALICE, "one") == said("hello")
    assert conversations.recall(ALICE, "two") == []


def test_the_session_id_of_somebody_else_shows_nothing() -> None:
    conversations = Conversations(capacity=2)

    conversations.keep(ALICE, "one", said("a secret"))

    assert conversations.recall(BOB, "one") == []


def test_without_a_known_person_or_a_session_nothing_is_remembered() -> None:
    conversations = Conversations(capacity=2)

    conversations.keep(None, "one", said("hello"))
    conversations.keep(ALICE, None, said("hello"))
    conversations.keep(ALICE, "", said("hello"))

    assert len(conversations) == 0
    assert conversations.recall(None, "one") == []


def test_the_one_that_was_silent_longest_goes_first() -> None:
    conversations = Conversations(capacity=2)
    conversations.keep(ALICE, "one", said("1"))
    conversations.keep(ALICE, "two", said("2"))

    conversations.recall(ALICE, "one")
    conversations.keep(ALICE, "three", said("3"))

    assert len(conversations) == 2
    assert conversations.recall(ALICE, "two") == []
    assert conversations.recall(ALICE, "one") == said("1")


def test_what_is_done_to_a_recalled_conversation_does_not_reach_the_kept_one() -> None:
    conversations = Conversations(capacity=2)
    messages = said("hello")
    conversations.keep(ALICE, "one", messages)

    messages[0]["content"].append({"text": "later"})
    conversations.recall(ALICE, "one").clear()

    assert conversations.recall(ALICE, "one") == said("hello")
