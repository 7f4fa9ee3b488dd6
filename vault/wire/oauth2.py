"""OAuth2 credential providers in the wire API. Operators alone keep them."""

from __future__ import annotations

from typing import Any

from agents.arns import oauth2_provider_arn
from agents.keys.callers import Caller
from agents.wire.calls import WireCall, operators
from agents.wire.fields import members_named
from core.errors import invalid
from core.wire.app import Operation, Output
from core.wire.paging import page
from vault.ending import cascade
from vault.models import CredentialProvider
from vault.providers import services as providers
from vault.wire import oauth2_config as wire_oauth2_config
from vault.wire import providers as wire


def provider_create(call: WireCall) -> Output:
    """Create an OAuth2 credential provider. Its metadata need not be there yet.

    Raises:
        InvalidRequest: the configuration cannot be; see `wire_oauth2_config.configure`.
        ProviderExists: there is one of this name.
    """
    provider = CredentialProvider(
        name=call.input["name"],
        display_name=call.input["name"][:_LONGEST_DISPLAY_NAME],
        vendor=call.input["credentialProviderVendor"],
        any_workload=wire.is_open_to_all(),
    )
    with wire.created_once(call, CredentialProvider):
        _configured(call, provider, tags=call.input.get("tags"))
    return _told(provider)


def provider_get(call: WireCall) -> Output:
    """Return an OAuth2 credential provider, without its secret. Raises ProviderUnknown."""
    provider = wire.named(call, CredentialProvider)
    return {**_told_whole(provider), "failureReason": provider.failure_reason or None}


def provider_update(call: WireCall) -> Output:
    """Put another configuration in the place of the one before.

    Raises:
        ProviderUnknown: there is none of this name.
        InvalidRequest: as `provider_create`; or it is another vendor's, where people's tokens of
            this one would be sent to.
    """
    provider = wire.named(call, CredentialProvider)
    if call.input["credentialProviderVendor"] != provider.vendor:
        told = f"It is a provider of {provider.vendor}, for which people's tokens are kept."
        raise invalid("credentialProviderVendor", told)
    _configured(call, provider)
    return _told_whole(provider)


def provider_delete(call: WireCall) -> Output:
    """Delete an OAuth2 credential provider, at once or once it was told of all that ends with it.

    Raises:
        ProviderUnknown: there is none of this name.
    """
    cascade.provider_end(provider=wire.named(call, CredentialProvider), actor=call.caller.actor)
    return {}


def providers_list(call: WireCall) -> Output:
    """Return the OAuth2 credential providers by name, a page at a time."""
    rows, token = page(CredentialProvider.objects.all(), operation=call.operation, asked=call.input)
    found = [
        {
            **wire.listed(row, arn=oauth2_provider_arn(row.name)),
            "credentialProviderVendor": row.vendor,
        }
        for row in rows
    ]
    return {"credentialProviders": found, "nextToken": token}


OPERATIONS: list[Operation[Caller]] = [
    Operation("CreateOauth2CredentialProvider", provider_create, guard=operators),
    Operation("GetOauth2CredentialProvider", provider_get, guard=operators),
    Operation("UpdateOauth2CredentialProvider", provider_update, guard=operators),
    Operation("DeleteOauth2CredentialProvider", provider_delete, guard=operators),
    Operation("ListOauth2CredentialProviders", providers_list, guard=operators),
]
_LONGEST_DISPLAY_NAME = 100


def _configured(
    call: WireCall, provider: CredentialProvider, *, tags: dict[str, str] | None = None
) -> None:
    secret = wire_oauth2_config.configure(provider, call.input["oauth2ProviderConfigInput"])
    with members_named(wire_oauth2_config.members_of(provider)):
        providers.provider_store(
            provider=provider, client_secret=secret, tags=tags, actor=call.caller.actor
        )


def _told(provider: CredentialProvider) -> dict[str, Any]:
    arn = oauth2_provider_arn(provider.name)
    return {
        **wire.told(provider, wire_oauth2_config.CLIENT_SECRET, arn=arn),
        "callbackUrl": provider.callback_url,
        "oauth2ProviderConfigOutput": wire_oauth2_config.told(provider),
        "status": "DELETING" if cascade.is_being_deleted(provider) else provider.status,
    }


def _told_whole(provider: CredentialProvider) -> dict[str, Any]:
    vendor = {"credentialProviderVendor": provider.vendor}
    return {**_told(provider), **vendor, **wire.times(provider)}
