"""What the inbound side refuses."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.errors import AppError, Conflict, FieldError, Forbidden, InvalidRequest, NotFound
from core.subject import Subject


class AgentsError(AppError):
    """The base of this app's own refusals."""


class AgentUnknown(AgentsError, NotFound):
    """There is no such agent or endpoint, or not for this caller."""

    code = "agent_not_found"
    message = _("There is no such agent or endpoint, or you may not use it.")


class AgentDisabled(AgentsError, Forbidden):
    """An admin switched the agent off."""

    code = "agent_disabled"
    message = _("This agent has been switched off by an administrator.")


class PersonDisabled(AgentsError, Forbidden):
    """An admin switched the person's account off."""

    code = "person_disabled"
    message = _("Your account has been switched off by an administrator.")

    def __init__(self, subject: Subject | None = None) -> None:
        super().__init__()
        self.subject = subject  # for the audit trail, where the caller does not know it


class PersonNotAdmitted(AgentsError, Forbidden):
    """The agent was closed to the person since it was called for them."""

    code = "person_not_admitted"
    message = _("This person may not use the agent any more.")


class ChainBroken(AgentsError, Forbidden):
    """Somebody through whom the agent was called is switched off, or gone."""

    code = "chain_broken"
    message = _("An agent through which this one was called is switched off.")


class WorkloadDisabled(AgentsError, Forbidden):
    """The workload identity is switched off, or gone."""

    code = "workload_disabled"
    message = _("The workload identity is switched off.")


class VersionUnknown(AgentsError, NotFound):
    """The agent has no such version."""

    code = "version_not_found"
    message = _("The agent has no version of this number.")


class VersionInUse(AgentsError, Conflict):
    """The version is served: it is the newest, or an endpoint points at it."""

    code = "version_in_use"


class EndpointUnknown(AgentsError, NotFound):
    """The agent has no such endpoint."""

    code = "endpoint_not_found"
    message = _("The agent has no endpoint of this name.")


class DefaultEndpoint(AgentsError, Conflict):
    """The endpoint that every agent has is not pinned and does not go alone."""

    code = "default_endpoint"


class AuthModeMismatch(AgentsError, Forbidden):
    """A signature where a bearer token is asked for, or the reverse."""

    code = "auth_mode_mismatch"
    # The real service's own words, which its users search for.
    message: StrOrPromise = (
        "Authorization method mismatch. The agent is configured for a different authorization "
        "method than what was used in your request. Check the agent's authorization configuration "
        "and ensure your request uses the matching method (OAuth or SigV4)"
    )


class HeaderNotAllowed(AgentsError, InvalidRequest):
    """A custom header that the agent's allow-list does not name, or one that is too long."""

    code = "header_not_allowed"


class WorkloadUnknown(AgentsError, NotFound):
    """There is no such workload identity."""

    code = "workload_not_found"
    message = _("There is no workload identity of this name.")


class WorkloadInUse(AgentsError, InvalidRequest):
    """The workload identity cannot go yet. Its deletion has no ConflictException in AWS's model."""

    code = "workload_in_use"

    def __init__(self, message: StrOrPromise) -> None:
        super().__init__(message, fields=(FieldError("name", message),), reason="ResourceConflict")


class ForeignWorkload(AgentsError, Forbidden):
    """An agent's access key was used for another workload identity than its own."""

    code = "foreign_workload"


class NameTaken(AgentsError, Conflict):
    """What is to be created exists already."""

    code = "name_taken"


class AgentInUse(AgentsError, Conflict):
    """What people granted the agent, or said to it, is still kept."""

    code = "agent_in_use"
    message = _(
        "People have granted this agent access, or have conversations with it. "
        "Switch it off instead."
    )


class WorkloadTokenInvalid(AgentsError):
    """The workload access token was not issued here, was changed, or has expired."""

    code = "workload_token_invalid"
    status = 401
    aws = "UnauthorizedException"
    message = _("The workload access token is not valid or has expired.")
