"""What the inbound side refuses."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, Forbidden, NotFound


class AgentsError(AppError):
    """The base of this app's own refusals."""


class AgentUnknown(AgentsError, NotFound):
    """There is no such agent or endpoint, or not for this caller."""

    code = "agent_not_found"
    message = _("There is no such agent, or you may not use it.")


class AgentDisabled(AgentsError, Forbidden):
    """An admin switched the agent off."""

    code = "agent_disabled"
    message = _("This agent has been switched off by an administrator.")


class PersonDisabled(AgentsError, Forbidden):
    """An admin switched the person's account off."""

    code = "person_disabled"
    message = _("Your account has been switched off by an administrator.")


class WorkloadDisabled(AgentsError, Forbidden):
    """The workload identity is switched off, or gone."""

    code = "workload_disabled"
    message = _("The workload identity is switched off.")


class AuthModeMismatch(AgentsError, Forbidden):
    """A signature where a bearer token is asked for, or the reverse."""

    code = "auth_mode_mismatch"
    # The real service's own words, which its users search for.
    message = (
        "Authorization method mismatch. The agent is configured for a different authorization "
        "method than what was used in your request. Check the agent's authorization configuration "
        "and ensure your request uses the matching method (OAuth or SigV4)"
    )


class HeaderNotAllowed(AgentsError):
    """A custom header that the agent's allow-list does not name, or one that is too long."""

    code = "header_not_allowed"
    status = 400
    aws = "ValidationException"


class WorkloadTokenInvalid(AgentsError):
    """The workload access token was not issued here, was changed, or has expired."""

    code = "workload_token_invalid"
    status = 401
    aws = "UnauthorizedException"
    message = _("The workload access token is not valid or has expired.")
