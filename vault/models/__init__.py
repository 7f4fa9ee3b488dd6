"""The outbound app's rows."""

from vault.models.access_endings import AccessEnding
from vault.models.api_keys import ApiKeyProvider
from vault.models.grants import Grant, Outcome
from vault.models.obtained import ObtainedToken
from vault.models.providers import CredentialProvider
from vault.models.revocations import Revocation
from vault.models.sessions import ConsentSession
from vault.models.signing_keys import SigningKey

__all__ = [
    "AccessEnding",
    "ApiKeyProvider",
    "ConsentSession",
    "CredentialProvider",
    "Grant",
    "ObtainedToken",
    "Outcome",
    "Revocation",
    "SigningKey",
]
