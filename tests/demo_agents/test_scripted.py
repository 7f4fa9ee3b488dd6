import asyncio
import re
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.types.content import Messages

from demo.agents.concierge_script import SCRIPT as CONCIERGE
from demo.agents.scripted import Call, Rule, Said, Say, Script, ScriptedModel, mentions

TODAY = date(2026, 11, 22)
SCRIPT = Script(
    rules=(
        Rule(mentions("weather"), Call("weather", lambda said: [{"place": said.text.split()[-1]}])),
        Rule(mentions("both"), Call("weather", lambda _: [{"place": "Oslo"}, {"place": "Bergen"}])),
        Rule(mentions("before"), Say(lambda said: "; ".join(said.earlier))),
        Rule(mentions("raw"), Call("raw", lambda _: [{}], lead="One moment.")),
    ),
    otherwise=Say("I do not know."),
    tell={"weather": lambda told: f"It is {told['sky']} in **{told['place']}**."},
)


@tool
def weather(place: str) -> dict[str, Any]:
    """Tell the weather of a place."""
    if place == "Nowhere":
        return {"status": "error", "content": [{"text": "There is no such place."}]}
    return {"status": "success", "content": [{"json": {"sky": "grey", "place": place}}]}


@tool
def raw() -> dict[str, int]:
    """Return a number."""
    return {"n": 1}


def agent(*tools: Any, messages: Messages | None = None) -> Agent:
    model = ScriptedModel(SCRIPT, today=lambda: TODAY, delay_s=0)
    return Agent(model=model, tools=list(tools), messages=messages, callback_handler=None)


def test_it_calls_the_tool_that_the_rule_names_and_tells_its_result() -> None:
    assert str(agent(weather)("the weather in Oslo")).strip() == "It is grey in **Oslo**."


def test_two_calls_are_told_in_their_order() -> None:
    answer = str(agent(weather)("both"))

    assert answer.strip() == "It is grey in **Oslo**.\n\nIt is grey in **Bergen**."


def test_the_error_of_a_tool_is_passed_on_as_it_is() -> None:
    assert str(agent(weather)("weather in Nowhere")).strip() == "There is no such place."


def test_a_tool_that_the_script_has_no_words_for_is_told_as_it_is() -> None:
    assert str(agent(raw)("raw")).strip() == '{"n": 1}'


def test_a_tool_that_is_not_on_offer_is_not_called() -> None:
    assert str(agent()("the weather in Oslo")).strip() == "I do not know."


def test_it_reads_what_was_said_earlier_and_leaves_tool_results_out() -> None:
    talk = agent(weather)
    talk("hello")
    talk("weather in Oslo")

    assert str(talk("what was before")).strip() == "hello; weather in Oslo"


def test_each_call_of_a_conversation_has_an_id_of_its_own() -> None:
    talk = agent(weather)
    talk("both")
    talk("weather in Oslo")

    ids = [
        block["toolUse"]["toolUseId"]
        for message in talk.messages
        for block in message["content"]
        if "toolUse" in block
    ]
    assert ids == ["call-1", "call-2", "call-3"]


def test_ids_go_on_where_the_oldest_calls_are_forgotten() -> None:
    old: Messages = [
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "call-7", "name": "weather", "input": {}}}],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "call-7", "status": "success", "content": []}}
            ],
        },
        {"role": "assistant", "content": [{"text": "Grey."}]},
    ]
    talk = agent(weather, messages=old)

    talk("weather in Oslo")

    assert "toolUse" in talk.messages[4]["content"][0]
    assert talk.messages[4]["content"][0]["toolUse"]["toolUseId"] == "call-8"


def test_it_streams_word_by_word_and_loses_nothing() -> None:
    async def deltas() -> list[str]:
        return [event["data"] async for event in agent().stream_async("x") if "data" in event]

    assert asyncio.run(deltas()) == ["I ", "do ", "not ", "know."]


def test_the_delay_between_words_can_be_changed() -> None:
    model = ScriptedModel(SCRIPT, today=lambda: TODAY, delay_s=0)

    model.update_config(delay_s=0.5)

    assert model.get_config() == {"model_id": "scripted", "delay_s": 0.5}


def test_it_refuses_structured_output() -> None:
    model = ScriptedModel(SCRIPT, today=lambda: TODAY, delay_s=0)

    with pytest.raises(NotImplementedError):
        model.structured_output(BaseModel, [])


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("What is on my calendar today?", [{"day": "2026-11-22", "days": 1}]),
        ("what's on tomorrow", [{"day": "2026-11-23", "days": 1}]),
        ("Hello, any meetings?", [{"day": "2026-11-22", "days": 1}]),
        ("and on friday?", [{"day": "2026-11-27", "days": 1}]),
        ("am I free next week", [{"day": "2026-11-23", "days": 7}]),
        (
            "calendar for today and friday",
            [{"day": "2026-11-22", "days": 1}, {"day": "2026-11-27", "days": 1}],
        ),
    ],
)
def test_the_concierge_looks_at_the_days_that_are_asked_for(
    text: str, inputs: list[dict[str, Any]]
) -> None:
    said = Said(text=text, earlier=(), today=TODAY)

    answer = CONCIERGE.answer_to(said, offered=frozenset({"list_calendar_events"}))

    assert isinstance(answer, Call)
    assert answer.inputs(said) == inputs


@pytest.mark.parametrize("text", ["hello", "thank you", "sing me a song", "what did I say?"])
def test_the_concierge_opens_no_calendar_that_nobody_asked_for(text: str) -> None:
    said = Said(text=text, earlier=(), today=TODAY)

    answer = CONCIERGE.answer_to(said, offered=frozenset({"list_calendar_events"}))

    assert isinstance(answer, Say)


def test_what_a_third_party_wrote_forms_no_markup() -> None:
    event = {
        "start": "09:00",
        "end": "10:00",
        "title": "[win](https://evil.example) | <img src=x> **now**\n# big",
        "place": "`x`",
    }

    told = CONCIERGE.tell["list_calendar_events"](
        {"days": [{"day": "2026-11-22", "events": [event]}]}
    )

    row = told.splitlines()[-1]
    assert row.startswith("| 09:00–10:00 | &#91;win&#93;(https")  # noqa: RUF001
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert not re.search(r"(?<!\\)[<\[`*#]", row.replace("&#91;", "").replace("&#93;", ""))


def test_an_empty_day_is_said_to_be_empty() -> None:
    told = CONCIERGE.tell["list_calendar_events"]({"days": [{"day": "2026-11-22", "events": []}]})

    assert told == "Nothing is on your calendar on **Sunday, 22 November 2026**."
