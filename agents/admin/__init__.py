"""The registry and the people on the admin site. Every write goes through a service."""

from agents.admin.access_keys import AccessKeyAdmin
from agents.admin.agents import AgentAdmin
from agents.admin.identities import WorkloadIdentityAdmin
from agents.admin.people import PersonAdmin

__all__ = ["AccessKeyAdmin", "AgentAdmin", "PersonAdmin", "WorkloadIdentityAdmin"]
