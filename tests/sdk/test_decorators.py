"""The SDK's decorators, in an agent that the site invokes with a person's own token."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fixtures.world import World
from tests.sdk import people
from tests.sdk.conftest import WEATHER_KEY, Invoke

BOBS = "Quarterly review with Priya"


def answer_of(invoke: Invoke, able_to: str) -> Any:
    [event] = invoke(able_to)
    return event["answer"]


def test_user_federation_waits_for_the_consent_and_then_reads_the_persons_calendar(
    invoke: Invoke, bob: httpx.Client, world: World
) -> None:
    people.disconnect_all(bob)

    events = invoke("with_consent")
    page = people.allow(bob, world, "bob", next(events)["link"])
    [event] = events

    assert "is connected" in page.text
    assert BOBS in event["answer"]
    assert answer_of(invoke, "with_consent") == event["answer"]


def test_user_federation_ends_with_a_sentence_when_the_person_denies(
    invoke: Invoke, bob: httpx.Client, world: World
) -> None:
    people.disconnect_all(bob)

    events = invoke("with_consent")
    people.deny(bob, world, "bob", next(events)["link"])
    [event] = events

    assert event["error_type"] == "AccessDeniedException"
    assert "sdk_agent was not allowed to use my-calendar." in event["error"]
    assert "Nothing is connected" in bob.get("/connections/").text


def test_on_behalf_of_exchanges_the_persons_own_token_and_asks_nobody(invoke: Invoke) -> None:
    assert BOBS in answer_of(invoke, "on_behalf")


def test_m2m_gets_a_token_of_the_agents_own(invoke: Invoke) -> None:
    assert answer_of(invoke, "as_itself") == "open"


@pytest.mark.parametrize("able_to", ["api_key", "workload_token"])
def test_the_api_key_comes_for_the_workload_access_token(invoke: Invoke, able_to: str) -> None:
    assert answer_of(invoke, able_to) == WEATHER_KEY
