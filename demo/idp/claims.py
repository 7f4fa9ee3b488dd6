"""What tokens and userinfo say about a person, and what discovery says about this site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlsplit

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import Client
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from demo.idp import environment
from demo.idp.models import User

SCOPES = ("openid", "profile", "groups", "offline_access")
CLAIMS = (
    *("aud", "auth_time", "exp", "iat", "iss", "jti", "nonce", "sub"),
    *("name", "given_name", "family_name", "preferred_username", "groups"),
)


class Adapter(DefaultOIDCAdapter):
    """Our answers to what allauth asks of a provider."""

    def get_issuer(self) -> str:
        """Return the configured URL. allauth's own answer follows the Host header."""
        return environment.URL

    def get_user_sub(self, client: Client, user: AbstractBaseUser) -> str:
        """Return the person's stored opaque identifier, the same for every client."""
        return _person(user).sub

    def get_user_by_sub(self, client: Client, sub: str) -> User | None:
        """Return the active person whom `sub` names, if there is one."""
        return User.objects.filter(sub=sub, is_active=True).first()

    def get_claims(
        self,
        purpose: Literal["id_token", "userinfo"],
        user: AbstractBaseUser,
        client: Client,
        scopes: Iterable[str],
        email: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return allauth's claims, the person's groups where that scope was granted, and when they
        signed in last.
        """
        claims: dict[str, Any] = super().get_claims(
            purpose, user, client, scopes, email=email, **kwargs
        )
        if "groups" in scopes:
            claims["groups"] = _groups(user)
        if purpose == "id_token" and (signed_in := _person(user).last_login) is not None:
            claims["auth_time"] = int(signed_in.timestamp())
        return claims

    def populate_access_token(
        self,
        access_token: dict[str, Any],
        *,
        client: Client,
        scopes: Iterable[str],
        user: AbstractBaseUser,
        **kwargs: Any,
    ) -> None:
        """Add the audience, and what an API needs to decide what a person may do there."""
        access_token["aud"] = environment.AUDIENCE
        if "profile" in scopes:
            access_token["name"] = _person(user).get_full_name()
            access_token["preferred_username"] = _person(user).get_username()
        if "groups" in scopes:
            access_token["groups"] = _groups(user)

    def validate_resource_uris(self, *, uris: list[str], **kwargs: Any) -> None:
        """Refuse a `resource` (RFC 8707) elsewhere than at the API: it is the one audience."""
        here = environment.RESOURCES
        if not all(here and uri.startswith(here) for uri in uris):
            raise ValidationError("This provider issues tokens for one API only.")

    def populate_server_metadata(self, data: dict[str, Any]) -> None:
        """Say what this site does, not all that the library could do.

        Endpoints are put under the configured URL: a discovery document built from the Host
        header would send a client wherever somebody else pointed it.
        """
        del data["device_authorization_endpoint"]
        for name, value in data.items():
            if name == "jwks_uri" or name.endswith("_endpoint"):
                data[name] = f"{environment.URL}{urlsplit(str(value)).path}"
        data.update(
            scopes_supported=list(SCOPES),
            claims_supported=list(CLAIMS),
            grant_types_supported=["authorization_code", "refresh_token"],
            response_types_supported=["code"],
            response_modes_supported=["query"],
            claims_parameter_supported=False,
            request_parameter_supported=False,
            request_uri_parameter_supported=False,
        )


def _person(user: AbstractBaseUser) -> User:
    """Return `user` as what it is here; there is no other kind of user on this site."""
    if not isinstance(user, User):
        raise TypeError(type(user))
    return user


def _groups(user: AbstractBaseUser) -> list[str]:
    return sorted(_person(user).groups.values_list("name", flat=True))
