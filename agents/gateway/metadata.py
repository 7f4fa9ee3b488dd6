"""Where a caller gets a token for an agent: protected resource metadata (RFC 9728).

It is public, for agents that ask for a person's token, and says as much as the 401 that names it:
an agent that is switched off is described as it was, and any other is not there.
"""

from __future__ import annotations

import json

from django.conf import settings

from agents import snapshot
from agents.errors import AgentUnknown
from agents.gateway.addresses import Address, address_of, is_invocation
from agents.gateway.messages import Answer, one_chunk
from agents.models import AgentVersion
from core import inert, jose

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_CACHED_S = 60


def resource_path(raw_path: str) -> str | None:
    """Return the invocation path that `raw_path` is the metadata of, or None where it is of none.

    Two forms: well-known before the resource's path (RFC 9728 section 3.1), and behind it (AWS).
    """
    if raw_path.startswith(_WELL_KNOWN):
        described = raw_path.removeprefix(_WELL_KNOWN)
    elif raw_path.endswith(_WELL_KNOWN):
        described = raw_path.removesuffix(_WELL_KNOWN)
    else:
        return None
    return described if is_invocation(described) else None


def url_of(address: Address) -> str:
    """Return the URL of the metadata, as a challenge names it (RFC 9728 section 5.1)."""
    return f"{settings.SITE_URL}{_WELL_KNOWN}{address.target}"


async def metadata(described: str, query: str) -> Answer:
    """Return the metadata of the agent whose invocation path is `described`.

    `resource` is the URL as this caller has it, which is what a client compares it with (RFC 9728
    section 3.3).

    Raises:
        AgentUnknown: there is no such agent, or it asks for no person's token.
        InvalidRequest: the query names more than one endpoint.
        RegistryUnavailable, IssuerUnavailable: nobody can say.
    """
    address = address_of(described, query)
    deployed = await snapshot.deployed(address.agent_id, address.endpoint)
    if deployed is None or deployed.auth_mode != AgentVersion.AuthMode.JWT:
        raise AgentUnknown(detail="no agent that asks for a bearer token")
    documents = await jose.issuer_at(deployed.authorizer.discovery_url).documents()
    told = {
        "resource": settings.SITE_URL + address.target,
        "authorization_servers": [documents.issuer],
        "bearer_methods_supported": ["header"],
    }
    if deployed.authorizer.allowed_scopes:
        told["scopes_supported"] = sorted(deployed.authorizer.allowed_scopes)
    body = json.dumps(told).encode()
    return Answer(
        200,
        [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("cache-control", f"public, max-age={_CACHED_S}"),
            *inert.HEADERS,
        ],
        one_chunk(body),
    )
