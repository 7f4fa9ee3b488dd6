"""A Strands model with rules in place of a language model: deterministic, offline, free.

The agent loop around it is the real one. It hands over the conversation and the tools on offer,
gets text or tool calls back as a stream, runs the tools, and asks again with their results. What
to say is data, a `Script`; this module only plays it.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict, TypeVar

from pydantic import BaseModel
from strands.models import Model
from strands.types.content import Message, Messages
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolResult, ToolSpec, ToolUse

from demo.agents.files import described

T = TypeVar("T", bound=BaseModel)

_WORD = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True)
class Said:
    """What a rule gets to see: the person's words, what they said earlier, and the date.

    `files` are those that came with the words, each in words.
    """

    text: str
    earlier: tuple[str, ...]
    today: date
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Say:
    """Answer with this markdown."""

    text: str | Callable[[Said], str]

    def to(self, said: Said) -> str:
        """Return the markdown that answers `said`."""
        return self.text if isinstance(self.text, str) else self.text(said)


@dataclass(frozen=True)
class Call:
    """Call `tool` once for each of `inputs`, after saying `lead`."""

    tool: str
    inputs: Callable[[Said], list[dict[str, Any]]]
    lead: str = ""


@dataclass(frozen=True)
class Rule:
    """What to do when the person's words contain `pattern`."""

    pattern: re.Pattern[str]
    answer: Say | Call


@dataclass(frozen=True)
class Script:
    """Everything a scripted model knows.

    The first rule that matches decides; of words that came with files, `of_files` does. `tell`
    turns what a tool returned into markdown, by the tool's name; a tool without an entry is told as
    it is. A tool's error is a sentence already.
    """

    rules: tuple[Rule, ...]
    otherwise: Say
    tell: Mapping[str, Callable[[Any], str]]
    of_files: Say | None = None

    def answer_to(self, said: Said, *, offered: frozenset[str]) -> Say | Call:
        """Return what to do about `said`, calling only tools that are `offered`."""
        if said.files and self.of_files:
            return self.of_files
        for rule in self.rules:
            if rule.pattern.search(said.text):
                if isinstance(rule.answer, Call) and rule.answer.tool not in offered:
                    continue
                return rule.answer
        return self.otherwise


def mentions(*phrases: str) -> re.Pattern[str]:
    """Return a pattern that finds any of `phrases` (regular expressions) as whole words."""
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)


class ScriptedConfig(TypedDict):
    """`delay_s` is the pause before each word but the first."""

    model_id: str
    delay_s: float


class ScriptedModel(Model):
    """Plays a `Script` as a Strands model: reads the conversation, streams words and tool calls."""

    def __init__(self, script: Script, *, today: Callable[[], date], delay_s: float) -> None:
        self._script = script
        self._today = today
        self._config = ScriptedConfig(model_id="scripted", delay_s=delay_s)

    def update_config(self, **model_config: Any) -> None:
        """Change `delay_s`."""
        self._config["delay_s"] = float(model_config["delay_s"])

    def get_config(self) -> ScriptedConfig:
        """Return the configuration."""
        return self._config

    def structured_output(
        self,
        output_model: type[T],
        prompt: Messages,
        system_prompt: str | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Refuse: rules cannot fill a schema that they have not seen.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("A scripted model has no structured output.")

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the next message of the conversation, word by word, then any tool calls."""
        text, calls = self._next_message(messages, tool_specs or [])

        yield {"messageStart": {"role": "assistant"}}
        if text:
            yield {"contentBlockStart": {"start": {}}}
            for position, word in enumerate(_WORD.findall(text)):
                if position:
                    await asyncio.sleep(self._config["delay_s"])
                yield {"contentBlockDelta": {"delta": {"text": word}}}
            yield {"contentBlockStop": {}}
        for call in calls:
            start = {"name": call["name"], "toolUseId": call["toolUseId"]}
            yield {"contentBlockStart": {"start": {"toolUse": start}}}  # type: ignore[typeddict-item]  # says required, means optional
            yield {
                "contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(call["input"])}}}
            }
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if calls else "end_turn"}}
        yield {
            "metadata": {
                "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
                "metrics": {"latencyMs": 0},
            }
        }

    def _next_message(
        self, messages: Messages, tool_specs: list[ToolSpec]
    ) -> tuple[str, list[ToolUse]]:
        results = _results_in(messages[-1])
        if results:
            return self._told(results, calls=_calls_in(messages)), []

        spoken = tuple(text for message in messages if (text := _words_of_person(message)))
        said = Said(
            text=spoken[-1] if spoken else "",
            earlier=spoken[:-1],
            today=self._today(),
            files=tuple(filter(None, map(described, messages[-1]["content"]))),
        )
        offered = frozenset(spec["name"] for spec in tool_specs)
        answer = self._script.answer_to(said, offered=offered)
        if isinstance(answer, Say):
            return answer.to(said), []

        # Unique within the conversation, of which the oldest part may be gone, and never random.
        first = 1 + max(
            (int(call.removeprefix("call-")) for call in _calls_in(messages)), default=0
        )
        return f"{answer.lead}\n\n" if answer.lead else "", [
            {"toolUseId": f"call-{number}", "name": answer.tool, "input": tool_input}
            for number, tool_input in enumerate(answer.inputs(said), start=first)
        ]

    def _told(self, results: list[ToolResult], *, calls: dict[str, str]) -> str:
        parts = [
            _text_of(result)
            if result["status"] == "error"
            else self._script.tell.get(calls.get(result["toolUseId"], ""), _as_it_is)(
                _data_of(result)
            )
            for result in results
        ]
        # The same refusal for seven days is one sentence.
        return "\n\n".join(dict.fromkeys(parts))


def _words_of_person(message: Message) -> str:
    if message["role"] != "user":
        return ""
    return " ".join(block["text"] for block in message["content"] if "text" in block).strip()


def _results_in(message: Message) -> list[ToolResult]:
    return [block["toolResult"] for block in message["content"] if "toolResult" in block]


def _calls_in(messages: Messages) -> dict[str, str]:
    """Return the name of the tool by the id of the call, for every call in the conversation."""
    return {
        block["toolUse"]["toolUseId"]: block["toolUse"]["name"]
        for message in messages
        for block in message["content"]
        if "toolUse" in block
    }


def _text_of(result: ToolResult) -> str:
    return " ".join(part["text"] for part in result["content"] if "text" in part)


def _data_of(result: ToolResult) -> Any:
    for part in result["content"]:
        if "json" in part:
            return part["json"]
    return _text_of(result)


def _as_it_is(data: Any) -> str:
    return data if isinstance(data, str) else f"```json\n{json.dumps(data, indent=2)}\n```"
