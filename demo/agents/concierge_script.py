"""What the concierge says while no language model is chosen."""

from datetime import date, timedelta
from typing import Any

from demo.agents.days import days_in
from demo.agents.markdown import table
from demo.agents.scripted import Call, Rule, Said, Say, Script, mentions
from demo.agents.small_talk import RECALL, THANKS

TOOL = "list_calendar_events"
_HELP = (
    "I read your calendar. Ask me, for example:\n\n"
    "- What is on my calendar today?\n"
    "- Do I have meetings tomorrow?\n"
    "- What does my weekend look like?"
)


def _one_input_for_each_run_of_days(said: Said) -> list[dict[str, Any]]:
    runs: list[list[date]] = []
    for day in days_in(said.text, today=said.today) or [said.today]:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return [{"day": run[0].isoformat(), "days": len(run)} for run in runs]


def _tell_events(told: dict[str, Any]) -> str:
    return "\n\n".join(_tell_day(**day) for day in told["days"])


def _tell_day(day: str, events: list[dict[str, str]]) -> str:
    date_of = date.fromisoformat(day)
    heading = f"{date_of:%A}, {date_of.day} {date_of:%B %Y}"
    if not events:
        return f"Nothing is on your calendar on **{heading}**."
    rows = [(f"{e['start']}–{e['end']}", e["title"], e["place"]) for e in events]  # noqa: RUF001  # an en dash between two times is right
    return f"Your calendar on **{heading}**:\n\n{table(('Time', 'What', 'Where'), rows)}"


_ASK_CALENDAR = Call(TOOL, _one_input_for_each_run_of_days, lead="Let me look at your calendar.")

SCRIPT = Script(
    rules=(
        RECALL,
        Rule(
            mentions(
                "calendar",
                "agenda",
                "schedule",
                "diary",
                "meetings?",
                "appointments?",
                "events?",
                "busy",
                "free",
                "what(?:'s| is) on",
                "what do i have",
            ),
            _ASK_CALENDAR,
        ),
        Rule(
            mentions(
                "today",
                "tonight",
                "tomorrow",
                "yesterday",
                "weekend",
                "week",
                r"\d{4}-\d{2}-\d{2}",
                "(?:mon|tues|wednes|thurs|fri|satur|sun)day",
            ),
            _ASK_CALENDAR,
        ),
        THANKS,
        Rule(mentions("hello", "hi", "hey", "good (?:morning|evening)"), Say(f"Hello! {_HELP}")),
    ),
    otherwise=Say(_HELP),
    tell={TOOL: _tell_events},
)
