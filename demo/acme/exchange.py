"""Tokens in exchange for those of the identity provider that Acme's customer signs in with.

RFC 8693 (token exchange) and RFC 7523 section 2.1 (JWT bearer grant). The rules are those of strict
servers: the token is verified with its issuer's keys, is in time, and was meant for the very client
that presents it. Whoever it names has an account here by the same name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import httpx
from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidRequestError,
    TokenEndpointMixin,
    UnauthorizedClientError,
    grants,
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from demo.acme import environment
from demo.acme.models import Account, Client, ServiceToken, digest
from demo.acme.scopes import JWT_BEARER, TOKEN_EXCHANGE

CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  (a name)
_ALGORITHMS = ["RS256", "ES256"]
_TIMEOUT_S = 5.0


class _ForAPerson(grants.BaseGrant, TokenEndpointMixin):
    """The way of both grants; they differ in where the person's token stands."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def presented(self) -> str:
        """Return the person's token, unverified. Raises InvalidRequestError."""
        raise NotImplementedError

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        self.request.client = client
        self.request.user = account_of(self.presented(), client=client)
        self.validate_requested_scope()

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        token: dict[str, Any] = self.generate_token(
            user=self.request.user,
            scope=self.request.payload.scope,
            include_refresh_token=False,
        )
        self.save_token(token)
        return 200, {**token, **self.also_said()}, self.TOKEN_RESPONSE_HEADER

    def also_said(self) -> dict[str, str]:
        """Return what the answer holds besides the token."""
        return {}


class ExchangeGrant(_ForAPerson):
    """RFC 8693; an actor is the client itself, by a token of its own."""

    GRANT_TYPE = TOKEN_EXCHANGE

    def presented(self) -> str:
        form = self.request.form
        if form.get("subject_token_type") != _JWT:
            raise InvalidRequestError("The subject_token_type has to be that of a JWT.")
        if "actor_token" in form and not _is_own(form, client=self.request.client):
            raise InvalidRequestError("The actor_token is not one of the client's own.")
        return str(form.get("subject_token", ""))

    def also_said(self) -> dict[str, str]:
        return {"issued_token_type": _ACCESS_TOKEN}


class AssertionGrant(_ForAPerson):
    """RFC 7523 section 2.1."""

    GRANT_TYPE = JWT_BEARER

    def presented(self) -> str:
        return str(self.request.form.get("assertion", ""))


def _is_own(form: dict[str, str], *, client: Client) -> bool:
    token = ServiceToken.objects.filter(
        token_hash=digest(form["actor_token"]), client=client, revoked_at=None
    ).first()
    is_live = token is not None and not token.is_expired()
    return is_live and form.get("actor_token_type") == _ACCESS_TOKEN


def account_of(presented: str, *, client: Client) -> Account:
    """Return the account of whom a token of the trusted issuer names.

    Raises:
        InvalidGrantError: it is not good, not meant for `client`, or names nobody here.
    """
    try:
        claims = jwt.decode(presented, _keys(), algorithms=_ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": environment.TRUSTED_ISSUER},
            aud={"essential": True, "value": client.client_id},
            exp={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError):
        raise InvalidGrantError("The token is not good, or not meant for this client.") from None
    email = f"{claims.get('preferred_username')}@acme.example"
    account = Account.objects.filter(email=email, is_active=True).first()
    if account is None:
        raise InvalidGrantError("Nobody here has this name.")
    return account


def _keys() -> KeySet:
    if not environment.TRUSTED_ISSUER:
        raise InvalidGrantError("No issuer is trusted here.")
    try:
        return _fetched(environment.TRUSTED_ISSUER)
    except httpx.HTTPError:
        raise InvalidGrantError("The issuer does not answer.") from None


@lru_cache(maxsize=1)
def _fetched(issuer: str) -> KeySet:
    """Return the issuer's keys, read once; the demo's never change while it runs."""
    with httpx.Client(timeout=_TIMEOUT_S) as client:
        said = client.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        keys = client.get(said["jwks_uri"]).raise_for_status().json()
    return KeySet.import_key_set(keys)
