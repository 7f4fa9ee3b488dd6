"""The vault on the admin site.

Every write goes through a service.
"""

from vault.admin.api_keys import ApiKeyProviderAdmin
from vault.admin.grants import ConsentSessionAdmin, GrantAdmin
from vault.admin.providers import CredentialProviderAdmin

__all__ = [
    "ApiKeyProviderAdmin",
    "ConsentSessionAdmin",
    "CredentialProviderAdmin",
    "GrantAdmin",
]
