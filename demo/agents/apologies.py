"""What the concierge tells a person when it cannot read their calendar, and why."""

from botocore.exceptions import BotoCoreError, ClientError

from demo.agents.calendar_api import CalendarRefused, CalendarUnavailable
from demo.agents.consent import ConsentRefused, may_pass, message_of

_IDENTITY_AWAY = (
    "The service that keeps your permissions does not answer, so I could not read your calendar. "
    "Please try again in a moment."
)
_SENTENCES: dict[type[Exception], str] = {
    BotoCoreError: _IDENTITY_AWAY,
    TimeoutError: (
        "I waited for your permission to read Acme Calendar, and it did not come. "
        "Ask me again when you are ready."
    ),
    CalendarRefused: (
        "Acme Calendar does not accept the permission that you gave me. Disconnect it under "
        "Connections, then ask me again, and you can connect it anew."
    ),
    CalendarUnavailable: (
        "Acme Calendar does not answer as it should. Please try again in a moment."
    ),
}

# What can go wrong on the way to a calendar; anything else is a mistake in the program.
FORESEEN: tuple[type[Exception], ...] = (ClientError, ConsentRefused, *_SENTENCES)


def apology_for(problem: Exception) -> str:
    """Return the sentence for `problem`, which is one of `FORESEEN`."""
    if isinstance(problem, ConsentRefused):
        # How the request ended stands in the chat already: the site says it.
        return (
            "Without it I cannot tell you what is on your calendar. "
            "Ask me again whenever you want to connect Acme Calendar."
        )
    if isinstance(problem, ClientError):
        if may_pass(problem):
            return _IDENTITY_AWAY
        return f"I may not read your calendar. {message_of(problem)}"
    return next(sentence for kind, sentence in _SENTENCES.items() if isinstance(problem, kind))
