"""What the greeter says while no language model is chosen."""

from typing import Any

from demo.agents.markdown import plain
from demo.agents.scripted import Call, Rule, Said, Say, Script, mentions
from demo.agents.small_talk import RECALL, THANKS
from demo.agents.story import long_story

WHO = "who_is_calling"
REPORT = "service_report"
MAX_COUNT = 1000

_HELP = (
    "I know who you are, because the platform tells me. Try:\n\n"
    "- Who am I?\n"
    "- Show me the service report (for admins)\n"
    "- Count to 50\n"
    "- Tell me a long story\n"
    "- Attach a file, and I say what I was sent"
)
_COUNT_TO = mentions(r"count(?: up)? to (?P<number>\d{1,9})")


def _count(said: Said) -> str:
    match = _COUNT_TO.search(said.text)
    last = int(match["number"]) if match else 0
    if not 0 < last <= MAX_COUNT:
        return f"I count to any number from 1 to {MAX_COUNT}."
    return " ".join(str(number) for number in range(1, last + 1))


def _tell_files(said: Said) -> str:
    return "This is what I was sent:\n\n" + "\n".join(f"- {plain(file)}" for file in said.files)


def _tell_caller(told: dict[str, Any]) -> str:
    name = plain(told["name"] or told["user_id"])
    facts = _list(
        ("User id", told["user_id"]),
        ("Name", told["name"] or "not told"),
        ("Groups", ", ".join(told["groups"]) or "none"),
    )
    return f"Hello, **{name}**. This is what I was told about you:\n\n{facts}"


def _tell_report(told: dict[str, Any]) -> str:
    facts = _list(
        ("Up since", told["up_since"]),
        ("Up for", _duration(told["up_for_s"])),
        ("Questions taken", str(told["questions"])),
        ("Conversations in memory", str(told["conversations"])),
    )
    return f"**Service report**\n\n{facts}"


def _list(*facts: tuple[str, str]) -> str:
    return "\n".join(f"- {name}: {plain(value)}" for name, value in facts)


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {seconds} s"


def _no_inputs(_: Said) -> list[dict[str, Any]]:
    return [{}]


SCRIPT = Script(
    rules=(
        RECALL,
        Rule(_COUNT_TO, Say(_count)),
        Rule(mentions("story", "tale"), Say(lambda _: long_story())),
        Rule(mentions("report", "uptime", "statistics", "how busy"), Call(REPORT, _no_inputs)),
        Rule(
            mentions(
                "who am i",
                "whoami",
                "who is (?:calling|asking|this)",
                "my (?:name|groups?|id|identity)",
                "(?:which|what) groups?",
                "know about me",
            ),
            Call(WHO, _no_inputs),
        ),
        THANKS,
        Rule(mentions("hello", "hi", "hey", "good (?:morning|evening)"), Call(WHO, _no_inputs)),
    ),
    otherwise=Say(_HELP),
    of_files=Say(_tell_files),
    tell={WHO: _tell_caller, REPORT: _tell_report},
)
