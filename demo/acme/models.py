"""Accounts, the clients they authorised, and the tokens that came of it.

Codes and tokens are stored as SHA-256 of 256 random bits: nothing here can be presented. Methods
without a docstring are the questions that Authlib asks of a client, a code or a token.
"""

from __future__ import annotations

import hashlib
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models
from django.db.models import Q
from django.utils import timezone

from demo.acme.scopes import GRANT_TYPES, SERVICE_SCOPES


def digest(secret: str) -> str:
    """Return how a generated secret is stored and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Account(AbstractBaseUser):
    """Somebody's account at Acme. It has nothing to do with any identity provider."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "email"

    def __str__(self) -> str:
        return self.email


class Client(models.Model):
    """A confidential client."""

    client_id = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=200)
    redirect_uris = models.JSONField(default=list)
    scopes = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return none: the address is always named (RFC 9700 section 4.1.3)."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return `scope`, or none where it is empty or holds more than the client may ask.

        What people grant and what is the client's own never stand in one token.
        """
        asked = (scope or "").split()
        may_ask = set(asked) <= set(self.scopes) or set(asked) <= SERVICE_SCOPES
        return " ".join(asked) if asked and may_ask else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return check_password(client_secret, self.secret_hash)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in {"client_secret_basic", "client_secret_post"}

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in GRANT_TYPES


class Authorization(models.Model):
    """What one consent allowed: the family of every token that descends from it."""

    class End(models.TextChoices):
        """Why it is over."""

        CLIENT = "client", "revoked by the client"  # RFC 7009
        ACCOUNT = "account", "removed by the account"
        REFRESH_REUSED = "refresh_reused", "a refresh token was used twice"
        CODE_REPLAYED = "code_replayed", "an authorization code was used twice"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="authorizations")
    client = models.ForeignKey(Client, models.CASCADE, related_name="+")
    scope = models.TextField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=16, choices=End, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="")
                | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="acme_an_end_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} allows {self.client}: {self.scope}"


class AuthorizationCode(models.Model):
    """A code; kept after it was used, so that a replay is recognised (RFC 6749 section 4.1.2)."""

    code_hash = models.CharField(max_length=64, unique=True)
    client = models.ForeignKey(Client, models.CASCADE, related_name="+")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    redirect_uri = models.TextField()
    scope = models.TextField()
    code_challenge = models.CharField(max_length=43)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    authorization = models.OneToOneField(Authorization, models.CASCADE, null=True)

    code_challenge_method = "S256"

    def __str__(self) -> str:
        return f"code for {self.account}"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class RefreshToken(models.Model):
    """The n-th refresh token of its family; each is used once."""

    authorization = models.ForeignKey(Authorization, models.CASCADE, related_name="refresh_tokens")
    number = models.PositiveIntegerField()
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    # The answer this token was exchanged for, sealed under a key that only the token itself
    # yields; there for as long as it may be given once more.
    successor_sealed = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["authorization", "number"], name="acme_a_family_never_forks"
            ),
            models.CheckConstraint(
                condition=Q(successor_sealed__isnull=True) | Q(used_at__isnull=False),
                name="acme_only_a_used_token_has_a_successor",
            ),
        ]

    def __str__(self) -> str:
        return f"refresh token {self.number} of {self.authorization_id}"

    def check_client(self, client: Client) -> bool:
        return self.authorization.client_id == client.pk

    def get_scope(self) -> str:
        """Return what was consented to: a refresh may ask for less, and for all of it again."""
        return self.authorization.scope


class AccessToken(models.Model):
    """What the API takes, for two minutes."""

    authorization = models.ForeignKey(Authorization, models.CASCADE, related_name="access_tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    scope = models.TextField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"access token of {self.authorization_id}"

    def check_client(self, client: Client) -> bool:
        return self.authorization.client_id == client.pk

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    def is_revoked(self) -> bool:
        """Say whether it, its whole family or the account behind them was switched off."""
        return (
            self.revoked_at is not None
            or self.authorization.ended_at is not None
            or not self.authorization.account.is_active
        )


class ServiceToken(models.Model):
    """A client's own access token (RFC 6749 section 4.4); it opens no account."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    scope = models.TextField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.client}'s own token"

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.pk

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    def is_revoked(self) -> bool:
        return self.revoked_at is not None


class LedgerEntry(models.Model):
    """One call of the token endpoint, as it went. The database refuses to change or delete it."""

    at = models.DateTimeField()
    grant_type = models.CharField(max_length=64)
    outcome = models.CharField(max_length=64)
    family = models.UUIDField(null=True)

    def __str__(self) -> str:
        return f"{self.grant_type}: {self.outcome}"
