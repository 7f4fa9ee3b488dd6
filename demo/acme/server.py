"""Acme's authorization server: Authlib's, with our rules where it leaves a choice.

Ours are: PKCE with S256 from every client, exact redirect URIs, one use of a code and of a refresh
token, and an end of the whole family where either is used twice (RFC 9700 section 2.1 and 4.14).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.integrations.django_oauth2 import AuthorizationServer as DjangoAuthorizationServer
from authlib.integrations.django_oauth2 import RevocationEndpoint
from authlib.integrations.django_oauth2.requests import DjangoOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedResponseTypeError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from demo.acme import environment, tokens
from demo.acme.exchange import CLIENT_AUTH_METHODS, AssertionGrant, ExchangeGrant
from demo.acme.models import (
    AccessToken,
    Account,
    Authorization,
    AuthorizationCode,
    Client,
    RefreshToken,
    ServiceToken,
    digest,
)
from demo.acme.scopes import SERVICE_SCOPES

_Token = AccessToken | RefreshToken | ServiceToken


class TracedRequest(DjangoOAuth2Request):
    """A request to the token endpoint that remembers how it went, for the ledger."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.outcome = ""
        self.family: uuid.UUID | None = None

    def went(self, outcome: str, family: uuid.UUID) -> None:
        """Note the outcome; the first one noted says most."""
        self.outcome = self.outcome or outcome
        self.family = family


class AuthorizationServer(DjangoAuthorizationServer):
    """Authlib's server over our models."""

    def create_oauth2_request(self, request: HttpRequest | TracedRequest) -> TracedRequest:
        return request if isinstance(request, TracedRequest) else TracedRequest(request)

    def get_authorization_grant(self, request: TracedRequest) -> Any:
        # Authlib puts the response type into an error text, and fails on a quotation mark in it.
        if request.payload.response_type != "code":
            raise UnsupportedResponseTypeError("other", redirect_uri=_known_redirect_uri(request))
        return super().get_authorization_grant(request)

    def save_token(self, token: dict[str, Any], request: TracedRequest) -> None:
        """Store the answer `token` as the start of a family or as the next step of one."""
        at = timezone.now()
        if isinstance(request.refresh_token, RefreshToken):
            tokens.refresh_rotate(
                used=request.refresh_token,
                presented=request.form["refresh_token"],
                answer=token,
                at=at,
            )
            request.went("rotated", request.refresh_token.authorization_id)
        elif request.user is None:
            tokens.service_token_store(client=request.client, answer=token, at=at)
            request.outcome = "issued"
        elif request.authorization_code is None:
            family = tokens.authorization_exchange(
                account=request.user, client=request.client, answer=token, at=at
            )
            request.went("exchanged", family.pk)
        else:
            family = tokens.authorization_start(
                code=request.authorization_code, answer=token, at=at
            )
            request.went("issued", family.pk)

    def handle_error_response(self, request: TracedRequest, error: OAuth2Error) -> HttpResponse:
        request.outcome = request.outcome or str(error.error)
        response: HttpResponse = super().handle_error_response(request, error)
        return response


class CodeGrant(grants.AuthorizationCodeGrant):
    """Authorization codes of one minute and one use."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    @staticmethod
    def validate_authorization_redirect_uri(request: TracedRequest, client: Client) -> str:
        """Return the redirect URI, which has to be there and be registered as it stands."""
        redirect_uri = _known_redirect_uri(request)
        if redirect_uri is None:
            raise InvalidRequestError("The redirect_uri is not registered for this client.")
        return redirect_uri

    def generate_authorization_code(self) -> str:
        return tokens.new_token()

    def save_authorization_code(self, code: str, request: TracedRequest) -> None:
        AuthorizationCode.objects.create(
            code_hash=digest(code),
            client=request.client,
            account=request.user,
            redirect_uri=request.payload.redirect_uri,
            scope=request.scope,
            code_challenge=request.payload.data["code_challenge"],
            expires_at=timezone.now() + timedelta(seconds=environment.CODE_S),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """Return the code, locked. A used one ends what it had issued (RFC 6749 section 4.1.2)."""
        found = (
            AuthorizationCode.objects.select_for_update(of=("self",), no_key=True)
            .filter(code_hash=digest(code), client=client)
            .first()
        )
        if found is None:
            return None
        if found.authorization is not None:
            tokens.authorization_end(
                authorization=found.authorization,
                by=Authorization.End.CODE_REPLAYED,
                at=timezone.now(),
            )
            self.request.went("code_replayed", found.authorization_id)
            return None
        return found if found.expires_at > timezone.now() else None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Keep the row: `save_token` has marked it as used, and a replay must be recognised."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Account | None:
        account = authorization_code.account
        return account if account.is_active else None


class ServiceGrant(grants.ClientCredentialsGrant):
    """A client's own token, for what is no person's."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def validate_requested_scope(self) -> None:
        if not SERVICE_SCOPES.issuperset((self.request.payload.scope or "").split()):
            raise InvalidScopeError


class RefreshGrant(grants.RefreshTokenGrant):
    """Rotation: each refresh token is exchanged once, and its answer given again for a moment."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def __init__(self, request: TracedRequest, server: AuthorizationServer) -> None:
        super().__init__(request, server)
        self._answer: dict[str, Any] | None = None

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken | None:
        """Return the token if it may be used. A used one ends its family, outside the grace."""
        at = timezone.now()
        token = tokens.refresh_locked(presented=refresh_token, client=self.request.client)
        if token is None:
            return None
        self.request.family = token.authorization_id
        if token.authorization.ended_at is not None or token.expires_at <= at:
            return None
        if not token.authorization.account.is_active:
            return None
        if token.used_at is None:
            return token
        self._answer = tokens.answer_again(used=token, presented=refresh_token, at=at)
        if self._answer is not None:
            return token
        tokens.authorization_end(
            authorization=token.authorization, by=Authorization.End.REFRESH_REUSED, at=at
        )
        self.request.went("reuse_detected", token.authorization_id)
        return None

    def authenticate_user(self, refresh_token: RefreshToken) -> Account:
        return refresh_token.authorization.account

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Do nothing more: `save_token` has marked it as used."""

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Answer with new tokens, or with the same as before to a client that asks again."""
        if self._answer is None:
            response: tuple[int, dict[str, Any], Any] = super().create_token_response()
            return response
        asked = self.request.payload.scope
        if asked and set(asked.split()) != set(self._answer["scope"].split()):
            raise InvalidScopeError  # not the request that the answer was given to
        self.request.went("repeated", self.request.refresh_token.authorization_id)
        return 200, self._answer, self.TOKEN_RESPONSE_HEADER


class S256Required(CodeChallenge):
    """RFC 7636 for every client. Authlib's own `required` is about public clients."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with code_challenge_method=S256 is required.")
        if len(asked["code_challenge"]) != len("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"):
            raise InvalidRequestError("The code_challenge is not a SHA-256 in base64url.")
        super().validate_code_challenge(grant, redirect_uri)


class Issuer(IssuerParameter):
    """RFC 9207: every authorization response, errors included, says where it is from."""

    def get_issuer(self) -> str:
        return environment.URL

    def add_issuer_parameter(self, server: AuthorizationServer, response: HttpResponse) -> None:
        # Authlib's own looks for `response.location`, which Django's responses do not have.
        if response.has_header("Location"):
            response["Location"] = add_params_to_uri(
                response["Location"], [("iss", self.get_issuer())]
            )


class Revocation(RevocationEndpoint):
    """RFC 7009."""

    CLIENT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def check_params(self, request: TracedRequest, client: Client) -> None:
        """Ask for a token only; a hint that we do not know is ignored (section 2.1)."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def query_token(self, token: str, token_type_hint: str) -> _Token | None:
        """Return what `token` is. The hint saves a look-up at best, so it is not needed."""
        found = {"token_hash": digest(token)}
        return (
            RefreshToken.objects.filter(**found).first()
            or AccessToken.objects.filter(**found).first()
            or ServiceToken.objects.filter(**found).first()
        )

    def revoke_token(self, token: _Token, request: TracedRequest) -> None:
        tokens.token_revoke(token=token)


def _known_redirect_uri(request: TracedRequest) -> str | None:
    """Return the redirect URI of the request if its client registered it."""
    client = Client.objects.filter(client_id=request.payload.client_id).first()
    redirect_uri: str | None = request.payload.redirect_uri
    if client is None or not redirect_uri or not client.check_redirect_uri(redirect_uri):
        return None
    return redirect_uri


issuer = Issuer()
server = AuthorizationServer(Client, None)
server.register_grant(CodeGrant, [S256Required()])
server.register_grant(RefreshGrant)
server.register_grant(ServiceGrant)
server.register_grant(ExchangeGrant)
server.register_grant(AssertionGrant)
server.register_endpoint(Revocation)
server.register_extension(issuer)
