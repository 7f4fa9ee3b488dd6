"""The configuration of an OAuth2 credential provider, as the wire API takes and tells it.

Which union member belongs to which of the 25 vendors, and where in it a field of the provider
stands, are tables. A configuration is put in the place of the one before as a whole: what is left
out goes back to its default. The client secret alone stays where none is given, since nobody can
read it back to send it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from core.assertions import RESERVED_HEADER, RESERVED_PAYLOAD
from core.errors import invalid
from core.secret import Secret
from core.wire import model
from vault.models import CredentialProvider
from vault.models.kept_secret import SecretReference
from vault.models.providers import AssertionClaims
from vault.providers.endpoints import endpoints_of
from vault.wire.providers import SecretNames, secret_given

CLIENT_SECRET = SecretNames(value="clientSecret", about="clientSecret", folder="oauth2")
_INPUT = "oauth2ProviderConfigInput"
_METADATA = "oauthDiscovery.authorizationServerMetadata"
_KEY = "privateKeyJwtConfig"
_OBO = "onBehalfOfTokenExchangeConfig"
_Authentication = CredentialProvider.Authentication

# Where each field stands, below the union member: of a vendor, and of any other provider.
_VENDORS_FIELDS = {
    "client_id": "clientId",
    "tenant_id": "tenantId",
    "issuer": "issuer",
    "authorization_endpoint": "authorizationEndpoint",
    "token_endpoint": "tokenEndpoint",
}
_CUSTOM_FIELDS = {
    "client_id": "clientId",
    "discovery_url": "oauthDiscovery.discoveryUrl",
    "issuer": f"{_METADATA}.issuer",
    "authorization_endpoint": f"{_METADATA}.authorizationEndpoint",
    "token_endpoint": f"{_METADATA}.tokenEndpoint",
    "response_types": f"{_METADATA}.responseTypes",
    "token_endpoint_auth_methods": f"{_METADATA}.tokenEndpointAuthMethods",
    "private_key_source": f"{_KEY}.privateKeySource.kmsKeySource.kmsKeyArn",
    "signing_algorithm": f"{_KEY}.signingAlgorithm",
    "obo_grant_type": f"{_OBO}.grantType",
    "obo_actor": f"{_OBO}.tokenExchangeGrantTypeConfig.actorTokenContent",
    "obo_actor_scopes": f"{_OBO}.tokenExchangeGrantTypeConfig.actorTokenScopes",
    "obo_client_auth": f"{_OBO}.onBehalfOfAuthenticationConfig.clientAuthenticationMethod",
}
_METHODS = {
    "CLIENT_SECRET_BASIC": _Authentication.BASIC,
    "CLIENT_SECRET_POST": _Authentication.POST,
    "PRIVATE_KEY_JWT": _Authentication.PRIVATE_KEY_JWT,
}
_METHOD_NAMES = {method: name for name, method in _METHODS.items()}
_LATTICE = (
    "VPC Lattice is a service of AWS. This site calls providers from where it runs: let its "
    "network reach them, and name private hosts in DAIKO_ALLOWED_PRIVATE_HOSTS."
)
_OUTSIDE_AWS = {
    "privateEndpoint": _LATTICE,
    "privateEndpointOverrides": _LATTICE,
    "certificateConfigurations": (
        "This site reads no certificates from AWS. Have its machines trust the authority."
    ),
}
_IAM_TOKEN = "AWS_IAM_ID_TOKEN_JWT"  # noqa: S105  (a word of the wire API)
_NO_IAM = "AWS alone issues tokens for IAM roles: outside AWS there is none to send."


def member_of(vendor: str) -> str:
    """Return the union member that configures a vendor: its own where it has one."""
    own = f"{vendor[0].lower()}{vendor[1:]}ProviderConfig"
    return own if own in _union_members() else "includedOauth2ProviderConfig"


@cache
def _union_members() -> frozenset[str]:
    taken: Any = model.operations()["CreateOauth2CredentialProvider"].input_shape
    return frozenset(taken.members[_INPUT].members)


def configure(
    provider: CredentialProvider, asked: Mapping[str, Any]
) -> Secret | SecretReference | None:
    """Put the configuration in `asked` into `provider`, and return the secret that it gives.

    Does not save.

    Raises:
        InvalidRequest: it is another vendor's, contradicts itself, or asks for what there is at
            AWS alone.
    """
    name = member_of(provider.vendor)
    if name not in asked:
        raise invalid(_INPUT, f"Configure {provider.vendor} by {name}.")
    config, within = asked[name], f"{_INPUT}.{name}."
    _refuse_impossible(config, within)
    secret = secret_given(config, CLIENT_SECRET, within=within)
    for field, path in _fields_of(provider).items():
        column: Any = CredentialProvider._meta.get_field(field)
        setattr(provider, field, _at(config, path, column.get_default()))
    if provider.discovery_url:
        provider.revocation_endpoint = ""  # its metadata tell it; only an admin's page can set one
    provider.client_auth = _client_auth(provider, config, within, has_secret=secret is not None)
    _refuse_contradictions(provider, config, within)
    provider.seal_assertion_claims(_claims(config, within))
    if provider.uses_secret and secret is None and not provider.has_secret:
        raise invalid(f"{within}clientSecret", "Give the client secret, or where it is kept.")
    if secret is not None and not provider.uses_secret:
        raise invalid(f"{within}clientSecret", "This way of client authentication has no secret.")
    return secret


def members_of(provider: CredentialProvider) -> dict[str, str]:
    """Return by which member the caller gives each field, for telling what is wrong with it."""
    within = f"{_INPUT}.{member_of(provider.vendor)}"
    paths = {field: f"{within}.{path}" for field, path in _fields_of(provider).items()}
    return {**paths, "client_secret": f"{within}.clientSecret", "__all__": within}


def told(provider: CredentialProvider) -> dict[str, Any]:
    """Return the configuration, without the client secret. Calls nobody."""
    found: dict[str, Any] = {
        "oauthDiscovery": _discovery(provider),
        "clientId": provider.client_id or None,
    }
    if provider.vendor == CredentialProvider.Vendor.CUSTOM:
        found |= {
            "clientAuthenticationMethod": (
                # Where it follows from what the server takes: both together are not taken back.
                None
                if provider.token_endpoint_auth_methods
                else _METHOD_NAMES.get(_Authentication(provider.client_auth))
            ),
            _KEY: _private_key(provider),
            _OBO: _on_behalf_of(provider),
        }
    return {member_of(provider.vendor): found}


def _fields_of(provider: CredentialProvider) -> Mapping[str, str]:
    is_custom = provider.vendor == CredentialProvider.Vendor.CUSTOM
    return _CUSTOM_FIELDS if is_custom else _VENDORS_FIELDS


def _at(config: Mapping[str, Any], path: str, default: Any = None) -> Any:
    found: Any = config
    for name in path.split("."):
        found = found.get(name) if found else None
    return default if found is None else found


def _refuse_impossible(config: Mapping[str, Any], within: str) -> None:
    for name, why in _OUTSIDE_AWS.items():
        if config.get(name):
            raise invalid(f"{within}{name}", why)
    for path in ("clientAuthenticationMethod", _CUSTOM_FIELDS["obo_actor"]):
        if _at(config, path) == _IAM_TOKEN:
            raise invalid(f"{within}{path}", _NO_IAM)


def _client_auth(
    provider: CredentialProvider, config: Mapping[str, Any], within: str, *, has_secret: bool
) -> str:
    """Return how this site proves itself there.

    A provider of one's own that names no way, and has no secret, is a public client's (PKCE alone),
    which AWS has not; one that had a key until now has to say so.
    """
    if provider.vendor != CredentialProvider.Vendor.CUSTOM:
        return provider.traits.auth
    asked, taken = config.get("clientAuthenticationMethod"), provider.token_endpoint_auth_methods
    if asked is not None and taken:
        raise invalid(
            f"{within}clientAuthenticationMethod",
            "Say either how to authenticate, or by tokenEndpointAuthMethods what the server takes.",
        )
    if asked is not None:
        return _METHODS[asked]
    if taken:
        return _Authentication.BASIC if _Authentication.BASIC in taken else _Authentication.POST
    if has_secret or provider.has_secret:
        return _Authentication.BASIC
    if provider.client_auth == _Authentication.PRIVATE_KEY_JWT:
        raise invalid(
            f"{within}clientAuthenticationMethod",
            "It was PRIVATE_KEY_JWT until now: name the way, or give a client secret.",
        )
    return _Authentication.NONE


def _refuse_contradictions(
    provider: CredentialProvider, config: Mapping[str, Any], within: str
) -> None:
    if _KEY in config and provider.client_auth != _Authentication.PRIVATE_KEY_JWT:
        raise invalid(
            f"{within}{_KEY}", "It belongs to clientAuthenticationMethod PRIVATE_KEY_JWT."
        )
    exchange = f"{_OBO}.tokenExchangeGrantTypeConfig"
    is_exchange = provider.obo_grant_type == CredentialProvider.OboGrantType.TOKEN_EXCHANGE
    if _at(config, exchange) and not is_exchange:
        raise invalid(f"{within}{exchange}", "It belongs to the grantType TOKEN_EXCHANGE.")
    if provider.obo_actor_scopes and provider.obo_actor != CredentialProvider.OboActor.M2M:
        path = _CUSTOM_FIELDS["obo_actor_scopes"]
        raise invalid(f"{within}{path}", "They belong to the actorTokenContent M2M.")


def _claims(config: Mapping[str, Any], within: str) -> AssertionClaims:
    header = _added(config, within, "additionalHeaderClaims", RESERVED_HEADER)
    return AssertionClaims(
        header, _added(config, within, "additionalPayloadClaims", RESERVED_PAYLOAD)
    )


def _added(
    config: Mapping[str, Any], within: str, name: str, reserved: Iterable[str]
) -> Mapping[str, str]:
    given = _at(config, f"{_KEY}.{name}", {})
    if ours := sorted(set(given) & set(reserved)):
        message = f"These are set by this site, or not allowed: {', '.join(ours)}."
        raise invalid(f"{within}{_KEY}.{name}", message)
    return {claim: value.reveal() for claim, value in given.items()}


def _discovery(provider: CredentialProvider) -> dict[str, Any]:
    if provider.metadata_url:
        return {"discoveryUrl": provider.metadata_url}
    known = endpoints_of(provider)
    return {
        "authorizationServerMetadata": {
            "issuer": known.issuer,
            "authorizationEndpoint": known.authorization,
            "tokenEndpoint": known.token,
            "responseTypes": provider.response_types or None,
            "tokenEndpointAuthMethods": provider.token_endpoint_auth_methods or None,
        }
    }


def _private_key(provider: CredentialProvider) -> dict[str, Any] | None:
    if provider.client_auth != _Authentication.PRIVATE_KEY_JWT:
        return None
    claims, arn = provider.assertion_claims(), provider.private_key_source
    return {
        "privateKeySource": {"kmsKeySource": {"kmsKeyArn": arn}} if arn else None,
        "signingAlgorithm": provider.signing_algorithm,
        "additionalHeaderClaims": claims.header or None,
        "additionalPayloadClaims": claims.payload or None,
    }


def _on_behalf_of(provider: CredentialProvider) -> dict[str, Any] | None:
    if not provider.obo_grant_type:
        return None
    exchange = {
        "actorTokenContent": provider.obo_actor,
        "actorTokenScopes": provider.obo_actor_scopes or None,
    }
    is_exchange = provider.obo_grant_type == CredentialProvider.OboGrantType.TOKEN_EXCHANGE
    method = provider.obo_client_auth
    return {
        "grantType": provider.obo_grant_type,
        "tokenExchangeGrantTypeConfig": exchange if is_exchange else None,
        "onBehalfOfAuthenticationConfig": (
            {"clientAuthenticationMethod": method} if method else None
        ),
    }
