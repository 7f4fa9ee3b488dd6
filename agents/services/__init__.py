"""What changes the registry. Every change is on record with who made it, or is not made."""

from agents.services.agents import (
    agent_configure,
    agent_delete,
    agent_describe,
    agent_open_to,
    agent_register,
    agent_switch,
    agent_version_delete,
)
from agents.services.endpoints import endpoint_change, endpoint_create, endpoint_delete
from agents.services.identities import (
    check_return_urls,
    workload_identity_change,
    workload_identity_create,
    workload_identity_delete,
    workload_identity_switch,
)

__all__ = [
    "agent_configure",
    "agent_delete",
    "agent_describe",
    "agent_open_to",
    "agent_register",
    "agent_switch",
    "agent_version_delete",
    "check_return_urls",
    "endpoint_change",
    "endpoint_create",
    "endpoint_delete",
    "workload_identity_change",
    "workload_identity_create",
    "workload_identity_delete",
    "workload_identity_switch",
]
