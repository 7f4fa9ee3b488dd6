"""API keys in the wire API: operators keep the providers, agents get a key of one."""

from __future__ import annotations

from agents.arns import api_key_provider_arn
from agents.keys.callers import Caller
from agents.wire.calls import WireCall, holders_of_a_key, operators
from core.errors import invalid
from core.wire.app import Operation, Output
from core.wire.paging import page
from vault.models import ApiKeyProvider
from vault.providers import api_keys
from vault.wire.providers import (
    SecretNames,
    created_once,
    is_open_to_all,
    listed,
    named,
    secret_given,
    times,
    told,
)

_KEY = SecretNames(value="apiKey", about="apiKeySecret", folder="apikey")


def provider_create(call: WireCall) -> Output:
    """Create an API key provider.

    Raises:
        InvalidRequest: there is no key in it, or members contradict one another.
        ProviderExists: there is one of this name.
    """
    name, key = call.input["name"], secret_given(call.input, _KEY)
    if key is None:
        raise invalid(
            "apiKey", "Give the API key, or with apiKeySecretSource EXTERNAL where it is kept."
        )
    provider = ApiKeyProvider(name=name, any_workload=is_open_to_all())
    with created_once(call, ApiKeyProvider):
        api_keys.api_key_provider_store(
            provider=provider, key=key, tags=call.input.get("tags"), actor=call.caller.actor
        )
    return _told(provider)


def provider_get(call: WireCall) -> Output:
    """Return an API key provider, without its key. Raises ProviderUnknown."""
    provider = named(call, ApiKeyProvider)
    return {**_told(provider), **times(provider)}


def provider_update(call: WireCall) -> Output:
    """Put another key in the place of the one before; without one it stays.

    Raises:
        ProviderUnknown: there is none of this name.
        InvalidRequest: members contradict one another.
    """
    provider, key = named(call, ApiKeyProvider), secret_given(call.input, _KEY)
    if key is not None:
        api_keys.api_key_provider_store(provider=provider, key=key, actor=call.caller.actor)
    return {**_told(provider), **times(provider)}


def provider_delete(call: WireCall) -> Output:
    """Delete an API key provider and its key. Raises ProviderUnknown."""
    api_keys.api_key_provider_delete(provider=named(call, ApiKeyProvider), actor=call.caller.actor)
    return {}


def providers_list(call: WireCall) -> Output:
    """Return the API key providers by name, a page at a time."""
    rows, token = page(ApiKeyProvider.objects.all(), operation=call.operation, asked=call.input)
    found = [listed(row, arn=api_key_provider_arn(row.name)) for row in rows]
    return {"credentialProviders": found, "nextToken": token}


def api_key_get(call: WireCall) -> Output:
    """Return the key of a provider. Raises as `api_key_release`."""
    key = api_keys.api_key_release(
        caller=call.caller,
        unverified_token=call.input["workloadIdentityToken"],
        provider_name=call.input["resourceCredentialProviderName"],
    )
    return {"apiKey": key}


OPERATIONS: list[Operation[Caller]] = [
    Operation("CreateApiKeyCredentialProvider", provider_create, guard=operators),
    Operation("GetApiKeyCredentialProvider", provider_get, guard=operators),
    Operation("UpdateApiKeyCredentialProvider", provider_update, guard=operators),
    Operation("DeleteApiKeyCredentialProvider", provider_delete, guard=operators),
    Operation("ListApiKeyCredentialProviders", providers_list, guard=operators),
    Operation("GetResourceApiKey", api_key_get, guard=holders_of_a_key),
]


def _told(provider: ApiKeyProvider) -> dict[str, object]:
    return told(provider, _KEY, arn=api_key_provider_arn(provider.name))
