"""What a version of an agent says, as the wire API takes and tells it.

An update puts the whole in the place of what was before, as at AWS. What the API has no member for,
and an admin said, stays: which other claims may name the client, how the resource is named, and
with what a runtime on AWS is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.arns import unassumed_role_arn
from agents.configuration import Configuration
from agents.models import AgentVersion
from agents.models.registry import SESSION_IDLE_S, SESSION_LIFETIME_S
from core.errors import invalid

_URI = "agentRuntimeArtifact.containerConfiguration.containerUri"
_AUTHORIZER = "authorizerConfiguration.customJWTAuthorizer"
_WORKLOADS = f"{_AUTHORIZER}.allowedWorkloadConfiguration"
# The member of the API that says each field of a version, and of an agent.
MEMBERS = {
    "name": "agentRuntimeName",
    "description": "description",
    "url": _URI,
    "called_with": _URI,
    "protocol": "protocolConfiguration.serverProtocol",
    "path": "protocolConfiguration.path",
    "port": "protocolConfiguration.port",
    "auth_mode": "authorizerConfiguration",
    "discovery_url": f"{_AUTHORIZER}.discoveryUrl",
    "allowed_audience": f"{_AUTHORIZER}.allowedAudience",
    "allowed_clients": f"{_AUTHORIZER}.allowedClients",
    "allowed_scopes": f"{_AUTHORIZER}.allowedScopes",
    "advertised_scopes": f"{_AUTHORIZER}.advertisedScopeMapping",
    "custom_claims": f"{_AUTHORIZER}.customClaims",
    "allowed_workloads": f"{_WORKLOADS}.workloadIdentities",
    "client_claims": "authorizerConfiguration",
    "resource_identifier": "authorizerConfiguration",
    "may_drop_authorizer": "authorizerConfiguration",
    "header_allowlist": "requestHeaderConfiguration.requestHeaderAllowlist",
    "session_idle_s": "lifecycleConfiguration.idleRuntimeSessionTimeout",
    "session_lifetime_s": "lifecycleConfiguration.maxLifetime",
    "role_arn": "roleArn",
    "network": "networkConfiguration",
}

_NO_CONTAINERS = (
    "This site starts no containers and runs no code: give the URL at which the agent runs, such "
    "as https://agents.example.com/concierge, as containerUri."
)
_NOT_STARTED_HERE = (
    "This site does not start the agent: give it where the agent is started, and not here."
)
_LATTICE = (
    "VPC Lattice is a service of AWS. This site asks issuers from where it runs: let its network "
    "reach them, and name private hosts in DAIKO_ALLOWED_PRIVATE_HOSTS."
)
# What would silently do nothing here, with what to do instead.
_ONLY_AT_AWS = {
    "environmentVariables": _NOT_STARTED_HERE,
    "filesystemConfigurations": _NOT_STARTED_HERE,
    "hooksConfiguration": _NOT_STARTED_HERE,
    "capacityProviderConfiguration": _NOT_STARTED_HERE,
    "platformVersion": _NOT_STARTED_HERE,
    "resourceConfigurations": _NOT_STARTED_HERE,
    "allowedPorts": (
        "Calls reach the one URL of the agent. Register what listens on another port as an agent "
        "of its own."
    ),
}
_ONLY_AT_AWS_IN_AUTHORIZERS = {
    "privateEndpoint": _LATTICE,
    "privateEndpointOverrides": _LATTICE,
    "certificateConfigurations": (
        "This site reads no certificates from AWS. Have its machines trust the authority."
    ),
}
_NO_HOSTING = "No services of AWS call agents here: name workloadIdentities."


def configuration_of(
    asked: Mapping[str, Any], *, before: Configuration | None = None
) -> Configuration:
    """Return the configuration that the input of an operation asks for, in the place of `before`.

    Raises:
        InvalidRequest: it names no URL, or asks for what there is at AWS alone.
    """
    for name, why in _ONLY_AT_AWS.items():
        if asked.get(name):
            raise invalid(name, why)
    protocol = asked.get("protocolConfiguration", {})
    life = asked.get("lifecycleConfiguration", {})
    headers = asked.get("requestHeaderConfiguration", {})
    return Configuration(
        **_place_of(asked["agentRuntimeArtifact"], before),
        protocol=protocol.get("serverProtocol", AgentVersion.Protocol.HTTP),
        path=protocol.get("path", ""),
        port=protocol.get("port"),
        header_allowlist=tuple(headers.get("requestHeaderAllowlist", ())),
        session_idle_s=life.get("idleRuntimeSessionTimeout", SESSION_IDLE_S),
        session_lifetime_s=life.get("maxLifetime", SESSION_LIFETIME_S),
        role_arn=asked["roleArn"],
        network=asked.get("networkConfiguration", {}),
        **_authorizer_of(asked.get("authorizerConfiguration"), before),
    )


def told(version: AgentVersion) -> dict[str, Any]:
    """Return the members that say what `version` says."""
    headers = version.header_allowlist
    return {
        "agentRuntimeArtifact": {"containerConfiguration": {"containerUri": version.url}},
        "roleArn": version.role_arn or unassumed_role_arn(),
        "networkConfiguration": version.network or None,
        "protocolConfiguration": {
            "serverProtocol": version.protocol,
            "port": version.port,
            "path": version.path or None,
        },
        "lifecycleConfiguration": {
            "idleRuntimeSessionTimeout": version.session_idle_s,
            "maxLifetime": version.session_lifetime_s,
        },
        "authorizerConfiguration": _authorizer(version),
        "requestHeaderConfiguration": {"requestHeaderAllowlist": headers} if headers else None,
    }


def _place_of(artifact: Mapping[str, Any], before: Configuration | None) -> dict[str, Any]:
    """Return where the agent runs. A runtime on AWS is registered by an admin and may stay."""
    if "codeConfiguration" in artifact:
        raise invalid("agentRuntimeArtifact.codeConfiguration", _NO_CONTAINERS)
    uri: str = artifact["containerConfiguration"]["containerUri"]
    if before is not None and before.url == uri:
        return {"url": uri, "called_with": before.called_with}
    if not uri.lower().startswith(("http://", "https://")):
        raise invalid(_URI, _NO_CONTAINERS)
    return {"url": uri}


def _authorizer_of(given: Mapping[str, Any] | None, before: Configuration | None) -> dict[str, Any]:
    """Return the fields that say who may call; without an authorizer, holders of access keys."""
    if given is None:
        # Which agents may call on behalf of others has no place in the input without an authorizer.
        stays = before is not None and not before.asks_for_tokens
        workloads = before.allowed_workloads if before and stays else ()
        return {"auth_mode": AgentVersion.AuthMode.SIGV4, "allowed_workloads": workloads}
    rule = given["customJWTAuthorizer"]
    for name, why in _ONLY_AT_AWS_IN_AUTHORIZERS.items():
        if rule.get(name):
            raise invalid(f"{_AUTHORIZER}.{name}", why)
    workloads = rule.get("allowedWorkloadConfiguration", {})
    if workloads.get("hostingEnvironments"):
        raise invalid(f"{_WORKLOADS}.hostingEnvironments", _NO_HOSTING)
    clients = tuple(rule.get("allowedClients", ()))
    kept = before if before is not None and before.asks_for_tokens else None
    return {
        "discovery_url": rule["discoveryUrl"],
        "allowed_audience": tuple(rule.get("allowedAudience", ())),
        "allowed_clients": clients,
        "allowed_scopes": tuple(rule.get("allowedScopes", ())),
        "advertised_scopes": rule.get("advertisedScopeMapping", {}),
        "custom_claims": tuple(rule.get("customClaims", ())),
        "allowed_workloads": tuple(workloads.get("workloadIdentities", ())),
        "client_claims": kept.client_claims if kept and clients else (),
        "resource_identifier": kept.resource_identifier if kept else "",
    }


def _authorizer(version: AgentVersion) -> dict[str, Any] | None:
    if version.auth_mode != AgentVersion.AuthMode.JWT:
        return None
    workloads = version.allowed_workloads
    rule = {
        "discoveryUrl": version.discovery_url,
        "allowedAudience": version.allowed_audience or None,
        "allowedClients": version.allowed_clients or None,
        "allowedScopes": version.allowed_scopes or None,
        "advertisedScopeMapping": version.advertised_scopes or None,
        "customClaims": [_claim(claim) for claim in version.custom_claims] or None,
        "allowedWorkloadConfiguration": {"workloadIdentities": workloads} if workloads else None,
    }
    return {"customJWTAuthorizer": rule}


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return a claim without what an admin may have noted beside it."""
    match = claim["authorizingClaimMatchValue"]
    value = match["claimMatchValue"]
    return {
        "inboundTokenClaimName": claim["inboundTokenClaimName"],
        "inboundTokenClaimValueType": claim["inboundTokenClaimValueType"],
        "authorizingClaimMatchValue": {
            "claimMatchOperator": match["claimMatchOperator"],
            "claimMatchValue": {
                name: value.get(name) for name in ("matchValueString", "matchValueStringList")
            },
        },
    }
