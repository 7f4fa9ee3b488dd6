"""What is refused because of a session, and what ends a call because its session has ended."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from agents.errors import AgentDisabled, AgentsError, PersonDisabled, WorkloadDisabled
from core.errors import Conflict, Forbidden, NotFound


class SessionForeign(AgentsError, Forbidden):
    """The id is that of somebody else's session, or of none that could be this caller's."""

    code = "session_foreign"
    message = _("This session id cannot be used by this caller. Use another one, or none.")


class ServerSessionForeign(SessionForeign):
    """No answer of the agent's server gave this caller the id, or not for use at this server.

    To its client that is a session which is over (404), so that it begins another one; and it does
    not learn which ids there are.
    """

    status = NotFound.status
    aws = NotFound.aws


class RuntimeSessionUnknown(AgentsError, NotFound):
    """There is no such session, or not for this caller."""

    code = "session_not_found"
    message = _("There is no such runtime session.")


class SessionOver(AgentsError, Conflict):
    """The session ended while a call was under way in it."""


class SessionStopped(SessionOver):
    """Somebody stopped it."""

    code = "session_stopped"
    message = _("The session was stopped.")


class SessionExpired(SessionOver):
    """It reached its lifetime."""

    code = "session_expired"
    message = _("The session has reached its maximum lifetime.")


class SwitchedOff(SessionOver, Forbidden):
    """Who calls, or what is called, was switched off while the call was under way."""

    status = Forbidden.status
    aws = Forbidden.aws


class AgentSwitchedOff(SwitchedOff):
    """An admin switched the agent off."""

    code = AgentDisabled.code
    message = AgentDisabled.message


class WorkloadSwitchedOff(SwitchedOff):
    """An admin switched off the agent's workload identity, or one of those who call it."""

    code = WorkloadDisabled.code
    message = WorkloadDisabled.message


class PersonSwitchedOff(SwitchedOff):
    """An admin switched off the account of the person whose session it is."""

    code = PersonDisabled.code
    message = PersonDisabled.message
