"""Where a credential provider answers: as it says, as an admin wrote down, or as its vendor."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urljoin

from vault.models import CredentialProvider
from vault.providers import discovery, readiness

_ANY_TENANT = "common"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider answers, and who it says it is."""

    issuer: str
    authorization: str
    token: str
    revocation: str | None
    announces_iss: bool


def endpoints_of(provider: CredentialProvider) -> Endpoints:
    """Return the endpoints that `provider` publishes, that an admin wrote down, or its vendor's.

    Raises:
        ProviderUnavailable, ProviderMetadataWrong: its metadata cannot be had, or is not usable.
    """
    if not provider.metadata_url:
        return _known_endpoints(provider)
    said = discovery.metadata_at(provider.metadata_url)
    readiness.succeeded(provider)
    return Endpoints(
        issuer=said.issuer,
        authorization=said.authorization_endpoint,
        token=said.token_endpoint,
        revocation=provider.revocation_endpoint or said.revocation_endpoint,
        announces_iss=said.announces_iss or provider.issuer_announces_iss,
    )


def _known_endpoints(provider: CredentialProvider) -> Endpoints:
    vendor = provider.traits
    # Quoted, although `clean` lets nothing pass that would need it: it becomes part of an address.
    tenant = quote(provider.tenant_id or _ANY_TENANT, safe="")
    token = provider.token_endpoint or vendor.token.format(tenant=tenant)
    told = provider.revocation_endpoint or vendor.revocation
    return Endpoints(
        issuer=provider.issuer or vendor.issuer.format(tenant=tenant),
        authorization=(
            provider.authorization_endpoint or vendor.authorization.format(tenant=tenant)
        ),
        token=token,
        revocation=urljoin(token, told) if told else None,
        announces_iss=provider.issuer_announces_iss,
    )


def is_told_of_ends(provider: CredentialProvider) -> bool | None:
    """Say whether `provider` takes word that an access has ended; None: not known now.

    Answers within two seconds.
    """
    if not provider.metadata_url or provider.revocation_endpoint:
        return _known_endpoints(provider).revocation is not None
    said = discovery.glance_at(provider.metadata_url)
    return None if said is None else said.revocation_endpoint is not None
