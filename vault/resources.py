"""What of the vault has an ARN, for resource policies and tags."""

from __future__ import annotations

import re

from agents.arns import api_key_provider_arn, oauth2_provider_arn, token_vault_arn
from agents.resources import Kind, register
from vault.models import ApiKeyProvider, CredentialProvider

_OAUTH2 = frozenset({"GetResourceOauth2Token", "CompleteResourceTokenAuth"})
_API_KEY = frozenset({"GetResourceApiKey"})


def of_oauth2_provider(name: str) -> tuple[str, ...]:
    """Return the ARNs whose policies a use of this provider has to pass."""
    return token_vault_arn(), oauth2_provider_arn(name)


def of_api_key_provider(name: str) -> tuple[str, ...]:
    """Return the ARNs whose policies a use of this key has to pass."""
    return token_vault_arn(), api_key_provider_arn(name)


def register_kinds() -> None:
    """Tell the room below which resources there are here."""
    register(
        Kind(re.compile("token-vault/default"), _OAUTH2 | _API_KEY, lambda: True, taggable=False)
    )
    register(
        Kind(
            re.compile(r"token-vault/default/oauth2credentialprovider/([^/]+)"), _OAUTH2, _provider
        )
    )
    register(
        Kind(
            re.compile(r"token-vault/default/apikeycredentialprovider/([^/]+)"), _API_KEY, _api_key
        )
    )


def _provider(name: str) -> bool:
    return CredentialProvider.objects.filter(name=name).exists()


def _api_key(name: str) -> bool:
    return ApiKeyProvider.objects.filter(name=name).exists()
