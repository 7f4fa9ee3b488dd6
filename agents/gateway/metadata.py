"""Where a caller gets a token for an agent: protected resource metadata (RFC 9728).

It is public, for agents that ask for a person's token, and says as much as the 401 that names it:
an agent that is switched off is described as it was, and any other is not there.

Neither the metadata's URL nor the resource that it names has a query. Issuers refuse to register
such a resource, and clients lose the query when they derive one URL from the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings

from agents import snapshot
from agents.arns import endpoint_arn
from agents.errors import AgentUnknown
from agents.gateway.addresses import Address, address_of, is_invocation
from agents.gateway.messages import Answer, one_chunk
from agents.models import AgentVersion
from agents.snapshot import Deployed
from core import inert, jose

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_CACHED_S = 60


@dataclass(frozen=True, slots=True)
class Described:
    """The invocation path of which metadata is asked, and the endpoint where that is beside it."""

    path: str
    endpoint: str = ""


def described_by(raw_path: str) -> Described | None:
    """Return what `raw_path` is the metadata of, or None where it is of none.

    Two forms: well-known before the resource's path (RFC 9728 section 3.1), and behind it (AWS),
    where the name of an endpoint may follow.
    """
    if raw_path.startswith(_WELL_KNOWN):
        found = Described(raw_path.removeprefix(_WELL_KNOWN))
    else:
        path, behind, endpoint = raw_path.partition(_WELL_KNOWN)
        if not behind or (endpoint and not endpoint.startswith("/")):
            return None
        found = Described(path, endpoint.removeprefix("/"))
    return found if is_invocation(found.path) else None


def url_of(address: Address) -> str:
    """Return the URL of the metadata, as a challenge names it (RFC 9728 section 5.1)."""
    if address.in_query:
        path = address.path.rstrip("/")
        return f"{settings.SITE_URL}{path}{_WELL_KNOWN}/{address.endpoint}"
    return f"{settings.SITE_URL}{_WELL_KNOWN}{address.path}"


def resource_of(address: Address) -> str:
    """Return a URL of the agent's invocations that names the endpoint without a query."""
    path = address.path
    if address.in_query:
        named = quote(endpoint_arn(address.agent_id, address.endpoint), safe="")
        path = f"/runtimes/{named}/invocations"
    return settings.SITE_URL + path


def challenge(address: Address, deployed: Deployed | None) -> str:
    """Return the WWW-Authenticate header of a 401 (RFC 6750 section 3, RFC 9728 section 5.1)."""
    bearer = f'Bearer resource_metadata="{url_of(address)}"'
    scopes = advertised_scopes(deployed) if deployed else []
    return f'{bearer}, scope="{" ".join(scopes)}"' if scopes else bearer


async def metadata(described: Described, query: str) -> Answer:
    """Return the metadata of the agent that is described.

    `resource` is what the agent's version says, or the URL as this caller has it, which is what a
    client compares it with (RFC 9728 section 3.3).

    Raises:
        AgentUnknown: there is no such agent, or it asks for no person's token.
        InvalidRequest: the request names more than one endpoint.
        RegistryUnavailable, IssuerUnavailable: nobody can say.
    """
    query = f"qualifier={described.endpoint}" if described.endpoint else query
    address = address_of(described.path, query)
    deployed = await snapshot.deployed(address.agent_id, address.endpoint)
    if deployed is None or deployed.auth_mode != AgentVersion.AuthMode.JWT:
        raise AgentUnknown(detail="no agent that asks for a bearer token")
    documents = await jose.issuer_at(deployed.authorizer.discovery_url).documents()
    told: dict[str, str | list[str]] = {
        "resource": deployed.resource_identifier or settings.SITE_URL + address.path,
        "authorization_servers": [documents.issuer],
        "bearer_methods_supported": ["header"],
    }
    if scopes := advertised_scopes(deployed):
        told["scopes_supported"] = scopes
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


def advertised_scopes(deployed: Deployed) -> list[str]:
    """Return the scopes that a client is told to ask for, where they are named otherwise there."""
    return sorted(
        {
            deployed.advertised_scopes.get(scope, scope)
            for scope in deployed.authorizer.allowed_scopes
        }
    )
