"""What is refused because of a session, and what ends a call because its session has ended."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from agents.errors import AgentsError
from core.errors import Conflict, Forbidden, NotFound


class SessionForeign(AgentsError, Forbidden):
    """The id is that of somebody else's session, or of none that could be this caller's."""

    code = "session_foreign"
    message = _("This session id cannot be used by this caller. Use another one, or none.")


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
