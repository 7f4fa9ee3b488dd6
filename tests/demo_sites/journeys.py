"""The ways through the two sites that the tests share, step by step over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from tests.fixtures.browsing import Pkce, browser, get, new_pkce, post, query_of, submit, with_query
from tests.fixtures.demo_sites import Acme, IdentityProvider, Site

IDP_SCOPE = "openid profile groups"
ACME_SCOPE = "calendar.read"

_sessions: dict[tuple[str, str], dict[str, str]] = {}


@dataclass(frozen=True)
class Asked:
    """An authorization request, and the secret half of its PKCE."""

    path: str
    pkce: Pkce
    redirect_uri: str


def ask(site: Site, **changes: str | None) -> Asked:
    """Return a sound authorization request to `site`; a change to None leaves a parameter out."""
    pkce = new_pkce()
    params: dict[str, str | None] = {
        "response_type": "code",
        "client_id": site.client_id,
        "redirect_uri": site.redirect_uris[0],
        "scope": ACME_SCOPE if isinstance(site, Acme) else IDP_SCOPE,
        "state": "st-4711",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        **({"nonce": "n-0815"} if isinstance(site, IdentityProvider) else {}),
        **changes,
    }
    given = {name: value for name, value in params.items() if value is not None}
    return Asked(
        path=with_query("/oauth2/authorize", given),
        pkce=pkce,
        redirect_uri=given.get("redirect_uri", ""),
    )


def sign_in(client: httpx.Client, site: Site, username: str, *, then: str = "/") -> httpx.Response:
    """Sign `username` in, as the page that `then` leads to would have it."""
    page = client.get(with_query("/sign-in/", {"next": then}))
    name_field = "username" if isinstance(site, Acme) else "login"
    fill = {name_field: username, "password": site.passwords[username]}
    return submit(client, page, button="Sign in", fill=fill)


def signed_in(site: Site, username: str) -> httpx.Client:
    """Return a browser in which `username` is signed in.

    The session is made once for each site and shared by all who ask, because checking a password
    is slow on purpose; nobody may sign out in it.
    """
    if (site.url, username) not in _sessions:
        with browser(site.url) as client:
            sign_in(client, site, username)
            _sessions[site.url, username] = dict(client.cookies)
    client = browser(site.url)
    client.cookies.update(_sessions[site.url, username])
    return client


def authorized(site: Site, username: str, **changes: str | None) -> tuple[Asked, dict[str, str]]:
    """Return a request of `username` that was allowed, and what went back to the client."""
    asked = ask(site, **changes)
    with signed_in(site, username) as client:
        answer = client.get(asked.path)
        if isinstance(site, Acme):
            answer = submit(client, answer, button="Allow")
        return asked, query_of(answer)


def token_request(site: Site, data: Mapping[str, str], **kwargs: Any) -> httpx.Response:
    """Post `data` to the token endpoint, as the client."""
    auth = (site.client_id, site.client_secret)
    return post(f"{site.url}/oauth2/token", data=data, **{"auth": auth, **kwargs})


def exchange(site: Site, asked: Asked, code: str, **changes: str) -> httpx.Response:
    """Exchange `code` at the token endpoint."""
    return token_request(site, exchange_of(asked, code) | changes)


def exchange_of(asked: Asked, code: str) -> dict[str, str]:
    """Return what a client sends to exchange `code`."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asked.redirect_uri,
        "code_verifier": asked.pkce.verifier,
    }


def refresh(site: Site, refresh_token: str, **extra: str) -> httpx.Response:
    """Exchange `refresh_token` at the token endpoint."""
    return token_request(
        site, {"grant_type": "refresh_token", "refresh_token": refresh_token, **extra}
    )


def revoke(site: Site, token: str, **extra: str) -> httpx.Response:
    """Revoke `token` at the revocation endpoint."""
    return post(
        f"{site.url}/oauth2/revoke",
        data={"token": token, **extra},
        auth=(site.client_id, site.client_secret),
    )


def tokens_of(site: Site, username: str, **changes: str | None) -> dict[str, Any]:
    """Return what the whole way brings `username`'s client: an answer with tokens."""
    asked, answer = authorized(site, username, **changes)
    tokens: dict[str, Any] = exchange(site, asked, answer["code"]).raise_for_status().json()
    return tokens


def events(acme: Acme, access_token: str, **params: str) -> httpx.Response:
    """Ask the calendar API."""
    headers = {"Authorization": f"Bearer {access_token}"}
    return get(f"{acme.url}/api/calendar/events", params=params, headers=headers)


def time_passes(acme: Acme, *, seconds: int) -> None:
    """Let everything that Acme has stored be `seconds` older."""
    older = {"by": timedelta(seconds=seconds)}
    acme.sql("UPDATE acme_accesstoken SET expires_at = expires_at - %(by)s", **older)
    acme.sql("UPDATE acme_authorizationcode SET expires_at = expires_at - %(by)s", **older)
    acme.sql(
        "UPDATE acme_refreshtoken SET expires_at = expires_at - %(by)s, used_at = used_at - %(by)s",
        **older,
    )
