"""What the models do not say of a valid input: which names exist, which tokens are good.

A member is given its value here by its name, wherever it stands at the top of an input. An
operation whose members mean something else has an entry of its own. None leaves a member out.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel

from agents.arns import workload_identity_arn
from core import crypto
from core.models import TokenVault
from core.subject import Subject
from core.wire import model
from tests.core.wire import inputs
from tests.fixtures.issuer import Issuer
from tests.vault.conftest import FOREIGN, Browser, World, token_of

_STATEMENT = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "bedrock-agentcore:GetWorkloadAccessToken",
    "Resource": "*",
}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [_STATEMENT]})
ENDPOINT = "live"
PERSON = Subject.opaque("customer 7")
# What comes before a kind of thing in the name of an operation on one.
_VERBS = ("Create", "Get", "Update", "Delete")

Send = Callable[[str, Mapping[str, Any]], dict[str, Any]]
Made = Callable[["Site"], Any]


@dataclass
class Site:
    """A served site, with somebody who asks, something to ask for, and a way to ask."""

    url: str
    world: World
    issuer: Issuer
    send: Send
    numbers: Any = field(default_factory=itertools.count)

    def token(self) -> str:
        """Return a workload access token of the person."""
        return token_of(self.world.identity, PERSON).reveal()

    def unused(self) -> str:
        """Return a name that nothing has."""
        return f"made-{next(self.numbers)}"

    def existing(self, kind: str) -> str:
        """Return the name of a new thing of this kind."""
        operation = model.operations()[f"Create{kind}"]
        return str(self.send(operation.name, valid(self, operation, inputs.smallest))["name"])

    def unused_runtime(self) -> str:
        """Return a name that no agent has."""
        return self.unused().replace("-", "_")

    def runtime(self) -> str:
        """Return the id of a new agent."""
        operation = model.operations()["CreateAgentRuntime"]
        made = self.send(operation.name, valid(self, operation, inputs.smallest))
        return str(made["agentRuntimeId"])

    def runtime_with_endpoint(self) -> str:
        """Return the id of a new agent that has the endpoint `ENDPOINT`."""
        runtime = self.runtime()
        self.send("CreateAgentRuntimeEndpoint", {"agentRuntimeId": runtime, "name": ENDPOINT})
        return runtime

    def arn(self) -> str:
        """Return the ARN of a new workload identity."""
        return workload_identity_arn(self.existing("WorkloadIdentity"))

    def arn_with_policy(self) -> str:
        """Return the ARN of a new workload identity that has a resource policy."""
        arn = self.arn()
        self.send("PutResourcePolicy", {"resourceArn": arn, "policy": POLICY})
        return arn

    def vault_without_its_key(self) -> str:
        """Return the name of the vault, whose reset was begun."""
        crypto.seal("", bound_to=crypto.Binding("", "", "", "", vault=True))
        TokenVault.objects.update_or_create(
            pk=TokenVault.DEFAULT, defaults={"lost_key_arn": "arn:aws:kms:a-deleted-key"}
        )
        return TokenVault.DEFAULT

    def consented(self) -> str:
        """Return the session of a consent that nobody has completed yet."""
        waiting = self.world.wait(PERSON, return_url=FOREIGN, forced=True)
        self.world.consent(waiting, Browser(), account="somebody")
        return waiting.session_uri


def valid(
    site: Site, operation: OperationModel, made: Callable[[OperationModel], dict[str, Any]]
) -> dict[str, Any]:
    """Return the input that `made` makes of the operation's shapes, with values that are real.

    What an operation cannot do without has an entry of its own, and is there in any case.
    """
    own = _OPERATIONS.get(operation.name, {})
    values = {**_MEMBERS, "name": _name_for(operation.name)}
    sent = {
        name: values[name](site) if name in values else value
        for name, value in made(operation).items()
        if name not in own
    }
    sent |= {name: value(site) for name, value in own.items()}
    return {name: value for name, value in sent.items() if value is not None}


def _name_for(operation: str) -> Made:
    """Return what makes the name of the thing that an operation is about: new where it creates."""
    for verb in _VERBS:
        kind = operation.removeprefix(verb)
        if kind != operation and verb != "Create":
            return lambda site: site.existing(kind)
    return Site.unused


_MEMBERS: Mapping[str, Made] = {
    "agentRuntimeId": Site.runtime,
    "agentRuntimeVersion": lambda _: "1",
    "allowedResourceOauth2ReturnUrls": lambda _: [FOREIGN],
    # boto3 sends one of its own.
    "clientToken": lambda _: None,
    "customParameters": lambda _: {"login_hint": "somebody"},
    "nextToken": lambda _: None,
    "oauth2Flow": lambda _: "USER_FEDERATION",
    "policy": lambda _: POLICY,
    "resourceArn": Site.arn,
    "resourceCredentialProviderName": lambda site: site.world.provider.name,
    "resourceOauth2ReturnUrl": lambda _: FOREIGN,
    "resources": lambda _: ["https://api.example"],
    "scopes": lambda _: ["calendar.read"],
    "tokenVaultId": lambda _: TokenVault.DEFAULT,
    "userToken": lambda site: site.issuer.token(),
    "workloadIdentityToken": Site.token,
    # One that belongs to no agent, whose rule its person would have to pass.
    "workloadName": lambda site: site.existing("WorkloadIdentity"),
}

_CONFIG: Mapping[str, Made] = {
    "oauth2ProviderConfigInput": lambda _: {
        "googleOauth2ProviderConfig": {"clientId": "conformance", "clientSecret": "s3cret"}
    }
}
_MANAGED_KEY: Mapping[str, Made] = {"apiKeySecretConfig": lambda _: None}

# What is at AWS alone, and refused here.
_NOT_HERE = dict.fromkeys(
    (
        *("environmentVariables", "filesystemConfigurations", "hooksConfiguration"),
        *("capacityProviderConfiguration", "platformVersion", "allowedPorts"),
        "resourceConfigurations",
    ),
    lambda _: None,
)
_AUTHORIZER = {
    "customJWTAuthorizer": {
        "discoveryUrl": "https://idp.example/.well-known/openid-configuration",
        "allowedAudience": ["api://agents"],
        "allowedClients": ["portal"],
        "allowedScopes": ["agents:call"],
        "advertisedScopeMapping": {"agents:call": "api://agents/call"},
        "customClaims": [
            {
                "inboundTokenClaimName": "groups",
                "inboundTokenClaimValueType": "STRING_ARRAY",
                "authorizingClaimMatchValue": {
                    "claimMatchOperator": "CONTAINS_ANY",
                    "claimMatchValue": {"matchValueStringList": ["staff"]},
                },
            }
        ],
    }
}
_RUNTIME: Mapping[str, Made] = {
    **_NOT_HERE,
    "agentRuntimeArtifact": lambda _: {
        "containerConfiguration": {"containerUri": "https://agents.example/concierge"}
    },
    "authorizerConfiguration": lambda _: _AUTHORIZER,
}
_ENDPOINT: Mapping[str, Made] = {
    "agentRuntimeId": Site.runtime_with_endpoint,
    "endpointName": lambda _: ENDPOINT,
}

_OPERATIONS: Mapping[str, Mapping[str, Made]] = {
    "CreateAgentRuntime": {**_RUNTIME, "agentRuntimeName": Site.unused_runtime},
    "CreateAgentRuntimeEndpoint": {"name": lambda _: ENDPOINT},
    # Its only version is deleted with the agent alone.
    "DeleteAgentRuntime": {"agentRuntimeVersion": lambda _: None},
    "DeleteAgentRuntimeEndpoint": _ENDPOINT,
    "GetAgentRuntimeEndpoint": _ENDPOINT,
    "UpdateAgentRuntime": _RUNTIME,
    "UpdateAgentRuntimeEndpoint": _ENDPOINT,
    "CompleteResourceTokenAuth": {
        "sessionUri": Site.consented,
        "userIdentifier": lambda _: {"userId": "customer 7"},
    },
    "DeleteResourcePolicy": {"resourceArn": Site.arn_with_policy},
    "CreateApiKeyCredentialProvider": {**_MANAGED_KEY, "apiKey": lambda _: "sk-conformance"},
    "CreateOauth2CredentialProvider": _CONFIG,
    "GetResourceApiKey": {
        "resourceCredentialProviderName": lambda site: site.existing("ApiKeyCredentialProvider")
    },
    "GetResourceOauth2Token": {
        "resourceOauth2ReturnUrl": lambda _: FOREIGN,
        "sessionUri": lambda _: None,
    },
    "ResetTokenVaultKeyMaterial": {"tokenVaultId": Site.vault_without_its_key},
    "SetTokenVaultCMK": {"kmsConfiguration": lambda _: {"keyType": "ServiceManagedKey"}},
    "UpdateApiKeyCredentialProvider": _MANAGED_KEY,
    "UpdateOauth2CredentialProvider": _CONFIG,
    "GetResourcePolicy": {"resourceArn": Site.arn_with_policy},
}
