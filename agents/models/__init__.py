"""The inbound app's rows."""

from agents.models.answered import AnsweredCall
from agents.models.identities import AccessKey, SpentSignature, WorkloadIdentity
from agents.models.policies import ResourcePolicy, ResourceTag
from agents.models.registry import Agent, AgentEndpoint, AgentVersion
from agents.models.sessions import RuntimeSession

__all__ = [
    "AccessKey",
    "Agent",
    "AgentEndpoint",
    "AgentVersion",
    "AnsweredCall",
    "ResourcePolicy",
    "ResourceTag",
    "RuntimeSession",
    "SpentSignature",
    "WorkloadIdentity",
]
