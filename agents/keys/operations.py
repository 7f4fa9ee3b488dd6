"""The operations that an access key can be limited to, and which of them are for agents.

The names are those of the wire API, and some besides: `InvokeAgentRuntimeForUser`, since calling
an agent in the name of a user is a permission of its own, as at AWS, and those of the site's own
API.
"""

from __future__ import annotations

from core.errors import Forbidden

INVOKE = "InvokeAgentRuntime"
INVOKE_FOR_USER = "InvokeAgentRuntimeForUser"
STOP = "StopRuntimeSession"
LIST_GRANTS, REVOKE_GRANTS = "ListGrants", "RevokeGrants"
LIST_SESSIONS = "ListSessions"

FOR_AGENTS = (
    *("GetWorkloadIdentity", "GetWorkloadAccessToken"),
    *("GetWorkloadAccessTokenForJWT", "GetWorkloadAccessTokenForUserId"),
    *("GetResourceOauth2Token", "GetResourceApiKey", "CompleteResourceTokenAuth", INVOKE, STOP),
)
FOR_OPERATORS = (
    *(INVOKE_FOR_USER, LIST_GRANTS, REVOKE_GRANTS, LIST_SESSIONS),
    *("CreateWorkloadIdentity", "UpdateWorkloadIdentity", "DeleteWorkloadIdentity"),
    *("ListWorkloadIdentities", "CreateOauth2CredentialProvider", "GetOauth2CredentialProvider"),
    *("UpdateOauth2CredentialProvider", "DeleteOauth2CredentialProvider"),
    *("ListOauth2CredentialProviders", "CreateApiKeyCredentialProvider"),
    *("GetApiKeyCredentialProvider", "UpdateApiKeyCredentialProvider"),
    *("DeleteApiKeyCredentialProvider", "ListApiKeyCredentialProviders", "GetTokenVault"),
    *("SetTokenVaultCMK", "ResetTokenVaultKeyMaterial", "PutResourcePolicy", "GetResourcePolicy"),
    *("DeleteResourcePolicy", "TagResource", "UntagResource", "ListTagsForResource"),
    *("CreateAgentRuntime", "GetAgentRuntime", "UpdateAgentRuntime", "DeleteAgentRuntime"),
    *("ListAgentRuntimes", "ListAgentRuntimeVersions", "CreateAgentRuntimeEndpoint"),
    *("GetAgentRuntimeEndpoint", "UpdateAgentRuntimeEndpoint", "DeleteAgentRuntimeEndpoint"),
    *("ListAgentRuntimeEndpoints",),
)
ALL = (*FOR_AGENTS, *FOR_OPERATORS)

_READING = ("Get", "List")


class OperationNotAllowed(Forbidden):
    """The access key is for other operations: as those of its kind, or as it was limited."""

    code = "operation_not_allowed"

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"You are not authorized to perform: bedrock-agentcore:{operation}. "
            "The access key is for other operations."
        )


def only_reads(operation: str) -> bool:
    """Say whether doing it twice is no more than doing it once.

    So is getting a token: whoever could replay that has seen the first answer as well.
    """
    return operation.startswith(_READING)
