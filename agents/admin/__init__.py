"""The registry, the people and the audit trail on the admin site.

Every write goes through a service.
"""

from agents.admin.access_keys import AccessKeyAdmin
from agents.admin.agents import AgentAdmin
from agents.admin.audit import AuditEventAdmin
from agents.admin.identities import WorkloadIdentityAdmin
from agents.admin.people import GroupAdmin, PersonAdmin
from agents.admin.policies import ResourcePolicyAdmin
from agents.admin.sessions import RuntimeSessionAdmin

__all__ = [
    "AccessKeyAdmin",
    "AgentAdmin",
    "AuditEventAdmin",
    "GroupAdmin",
    "PersonAdmin",
    "ResourcePolicyAdmin",
    "RuntimeSessionAdmin",
    "WorkloadIdentityAdmin",
]
