"""What a person is told of a run that did not end well, in whole sentences."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

INTERRUPTED = "interrupted"
# A run that is done, of an agent that had said all before the person had connected what it asked.
CONNECTED = "connected_since"

# After these the composer gives way to a sentence, and the answer says nothing of its own.
OFF, NOT_OPEN = "agent_disabled", "agent_not_found"
_CLOSING: dict[str, StrPromise] = {
    OFF: _("This agent has been switched off by an administrator."),
    "workload_disabled": _("This agent has been switched off by an administrator."),
    NOT_OPEN: _("This agent is no longer open to you."),
}

# Codes of the authorizer, the gateway and the site. What is not listed here is a matter of how the
# agent is set up, about which a person can do nothing but tell.
_SENTENCES: dict[str, StrPromise] = {
    "person_disabled": _("Your account has been switched off by an administrator."),
    "agent_unreachable": _("The agent does not answer right now. Please try again in a moment."),
    "agent_failed": _("The agent failed and could not finish its answer."),
    "agent_reported_error": _("The agent reported an error and could not finish its answer."),
    "answer_unreadable": _("The agent answered something that this site cannot read."),
    "interrupt_unreadable": _(
        "The agent asked for something that this site cannot show. Nothing was approved."
    ),
    "approval_too_late": _(
        "The agent asked you something, and the time to answer is over. Nothing was approved. "
        "You can ask again."
    ),
    "answer_empty": _("The agent gave an empty answer."),
    "session_stopped": _("Somebody stopped this conversation's session. You can ask again."),
    "session_expired": _("The answer took longer than a session of this agent may last."),
    "answer_too_long": _("The answer was too long and was cut off here."),
    "sign_in_expired": _("Your sign-in has expired. Sign in again, then ask once more."),
    "provider_away": _("Your identity provider does not answer. Please try again in a moment."),
    "issuer_unavailable": _(
        "Your identity provider does not answer. Please try again in a moment."
    ),
    "audit_unavailable": _(
        "The agent was not called, because the call could not be put on record. "
        "Please try again in a moment."
    ),
    "internal": _("Something went wrong on our side. Please try again."),
    INTERRUPTED: _("The answer was interrupted on our side. Please try again."),
}
_NOT_SET_UP = _(
    "This agent is not set up to take your question. Please tell the administrators of this site."
)


def sentence_for(code: str, *, language: str) -> str:
    """Return the sentence for the code of a failed run, in `language`; none where it closes."""
    if closes(code):
        return ""
    with translation.override(language):
        return str(_SENTENCES.get(code, _NOT_SET_UP))


def closes(code: str) -> bool:
    """Say whether nothing can be said in the conversation any more."""
    return code in _CLOSING


def closed_for(code: str, *, language: str) -> str:
    """Return why nothing can be said in the conversation any more, or the empty string."""
    with translation.override(language):
        return str(_CLOSING.get(code, ""))
