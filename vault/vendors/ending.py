"""How vendors are told that tokens end. Most have RFC 7009; the others have each their own way.

Each returns whether the vendor could be told at all, and raises as `core.oauth`'s requests do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from core import oauth
from core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The tokens that end, and where the vendor is told."""

    endpoint: str
    client: oauth.Client
    access: Secret
    refresh: Secret | None
    timeout_s: float


Way = Callable[[Ending], bool]


def both(ending: Ending) -> bool:
    """End the refresh token, with which most servers end the others too; then the access token.

    A server need not revoke access tokens (RFC 7009 section 2.2.1); they end with their time.
    """
    told = refresh_token(ending)
    try:
        return access_token(ending)
    except oauth.Misconfigured as exc:
        if exc.error != "unsupported_token_type":
            raise
    return told


def refresh_token(ending: Ending) -> bool:
    """End the refresh token, if there is one: the vendor ends no access token by itself."""
    if ending.refresh is None:
        return False
    _revoke(ending, ending.refresh, "refresh_token")
    return True


def access_token(ending: Ending) -> bool:
    """End the access token: the vendor takes no other, and ends the refresh token with it."""
    _revoke(ending, ending.access, "access_token")
    return True


def either(ending: Ending) -> bool:
    """End the refresh token, or the access token where there is none: each ends the other."""
    return refresh_token(ending) or access_token(ending)


def as_bearer(ending: Ending) -> bool:
    """End the access token in its own name, by a POST to a method of the vendor's API."""
    _end_as_bearer("POST", ending)
    return True


def facebook(ending: Ending) -> bool:
    """Take back all that the person granted this app; there is nothing smaller.

    https://developers.facebook.com/docs/graph-api/reference/user/permissions/
    """
    _end_as_bearer("DELETE", ending)
    return True


def github(ending: Ending) -> bool:
    """End the token alone; or, where it could be refreshed, all that the person granted the app.

    GitHub has no way to end a refresh token by itself. Other agents' tokens of the same person
    then end too, which is the lesser evil: one that went on would be said to have ended.
    https://docs.github.com/rest/apps/oauth-applications
    """
    what = "token" if ending.refresh is None else "grant"
    oauth.ending_request(
        "DELETE",
        f"{ending.endpoint}/{quote(ending.client.id, safe='')}/{what}",
        client=ending.client,
        body={"access_token": ending.access.reveal()},
        timeout_s=ending.timeout_s,
    )
    return True


def _revoke(ending: Ending, token: Secret, hint: oauth.TokenKind) -> None:
    oauth.revocation_request(
        ending.endpoint, client=ending.client, token=token, hint=hint, timeout_s=ending.timeout_s
    )


def _end_as_bearer(method: str, ending: Ending) -> None:
    oauth.ending_request(
        method,
        ending.endpoint,
        client=ending.client,
        bearer=ending.access,
        timeout_s=ending.timeout_s,
    )
