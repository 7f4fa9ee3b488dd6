"""The example agents: what people read of them, who may use them, and which of them calls which."""

from __future__ import annotations

from dataclasses import dataclass

# The endpoint for programs, which sign with an access key; people's tokens are for DEFAULT.
FOR_PROGRAMS = "programs"


@dataclass(frozen=True)
class About:
    """One agent, and another that it `calls`, if it does.

    `for_programs`: it is also called with an access key, by whoever calls it or by an operator.
    """

    display_name: str
    description: str
    protocol: str = "HTTP"
    group: str = "staff"  # empty: everybody
    calls: str = ""
    for_programs: bool = False
    reads_calendar: bool = False
    accepts: tuple[str, ...] = ()


# Whoever calls stands before whom they call: a called agent lists its caller's identity.
AGENTS = {
    "concierge": About(
        "Concierge",
        "Looks into your Acme calendar and tells you what the day holds. "
        "Ask it what is on today, or what your weekend looks like.",
        reads_calendar=True,
    ),
    "greeter": About(
        "Greeter",
        "Tells you who it thinks you are, and how it knows. You may attach files. "
        "Administrators can ask it for a service report.",
        group="",
        for_programs=True,
        accepts=("images", "pdf", "text"),
    ),
    "planner": About(
        "Planner",
        "Tells you when you have time. It asks the Scheduler, which asks the Calendar tools to "
        "look into your Acme calendar: what you allow, you allow to those. Ask it to remind you "
        "of something: it asks first.",
        protocol="AGUI",
        calls="scheduler",
    ),
    "scheduler": About(
        "Scheduler",
        "Says when somebody has time. For programs that speak A2A, and for the Planner.",
        protocol="A2A",
        for_programs=True,
        calls="calendar_tools",
    ),
    "calendar_tools": About(
        "Calendar tools",
        "Reads a calendar. For programs that speak MCP, and for the Scheduler.",
        protocol="MCP",
        for_programs=True,
        reads_calendar=True,
    ),
}
