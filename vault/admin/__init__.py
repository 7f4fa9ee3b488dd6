"""The vault on the admin site.

Every write goes through a service.
"""

from vault.admin.api_keys import ApiKeyProviderAdmin
from vault.admin.grants import ConsentSessionAdmin, GrantAdmin
from vault.admin.providers import CredentialProviderAdmin
from vault.admin.webhook_deliveries import WebhookDeliveryAdmin
from vault.admin.webhooks import WebhookEndpointAdmin

__all__ = [
    "ApiKeyProviderAdmin",
    "ConsentSessionAdmin",
    "CredentialProviderAdmin",
    "GrantAdmin",
    "WebhookDeliveryAdmin",
    "WebhookEndpointAdmin",
]
