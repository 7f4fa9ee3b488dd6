"""The outbound app's rows."""

from vault.models.access_endings import AccessEnding
from vault.models.api_keys import ApiKeyProvider
from vault.models.grants import Grant, Outcome
from vault.models.obtained import ObtainedToken
from vault.models.providers import CredentialProvider
from vault.models.revocations import Revocation
from vault.models.sessions import ConsentSession
from vault.models.signing_keys import SigningKey
from vault.models.webhooks import TEST_EVENT, EventType, WebhookDelivery, WebhookEndpoint

__all__ = [
    "TEST_EVENT",
    "AccessEnding",
    "ApiKeyProvider",
    "ConsentSession",
    "CredentialProvider",
    "EventType",
    "Grant",
    "ObtainedToken",
    "Outcome",
    "Revocation",
    "SigningKey",
    "WebhookDelivery",
    "WebhookEndpoint",
]
