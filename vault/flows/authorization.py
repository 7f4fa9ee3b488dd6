"""The authorization request to a provider, and what comes back (RFC 6749 section 4.1)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import QueryDict

from core import oauth, pkce
from core.secret import Secret
from vault.asked import authorize_params
from vault.errors import AnswerInvalid
from vault.models import ConsentSession, CredentialProvider
from vault.providers.endpoints import Endpoints

_MAX_CHARS = 8192
_ANSWER = ("state", "code", "iss", "error", "error_description")


def hashed(value: str) -> str:
    """Return what a high-entropy value is found by, without keeping the value."""
    return hashlib.sha256(value.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """One authorization request: where the browser goes, and what proves the answer to be ours."""

    url: Secret
    state_hash: str
    verifier: Secret


def request_for(session: ConsentSession, endpoints: Endpoints) -> Request:
    """Return a new authorization request for `session`, with a state and a verifier of its own.

    PKCE with S256 (RFC 7636, RFC 9700 section 2.1.1), except to the vendors that would refuse it;
    `resource` as RFC 8707 section 2, and `audience`, which no standard names here, for the servers
    that ask for it (Auth0, Atlassian).
    """
    state, verifier = secrets.token_urlsafe(32), pkce.new_verifier()
    vendor = session.provider.traits
    standard = {
        "response_type": "code",
        "client_id": session.provider.client_id,
        "redirect_uri": session.provider.callback_url,
        "state": state,
    }
    if vendor.pkce:
        standard["code_challenge"] = pkce.challenge_for(verifier)
        standard["code_challenge_method"] = "S256"
    asked = list(dict.fromkeys([*session.scopes, *vendor.refresh_scope.split()]))
    if asked:
        standard[vendor.scope_parameter] = vendor.scope_separator.join(asked)
    merged = authorize_params.merged(
        standard,
        provider={**vendor.authorize, **session.provider.extra_authorize_params},
        caller={name: value.reveal() for name, value in session.custom_parameters().items()},
    )
    query = [*merged.items(), *(("resource", resource) for resource in session.resources)]
    if "audience" not in merged:  # an admin's own, which `consent.begin` compared
        query += [("audience", audience) for audience in session.audiences]
    parts = urlsplit(endpoints.authorization)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in merged]
    url = urlunsplit(parts._replace(query=urlencode([*kept, *query]), fragment=""))
    return Request(Secret(url), hashed(state), verifier)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser brought to the redirect URI. Nothing in it is verified but its shape."""

    state_hash: str
    code: Secret | None
    iss: str | None
    error: str
    error_description: str


def read_answer(query: QueryDict) -> Answer:
    """Return what stands in the redirect URI's query (RFC 6749 section 4.1.2).

    Raises:
        AnswerInvalid: no state, neither or both of code and error, or one of them twice.
    """
    given: dict[str, str] = {}
    for name in _ANSWER:
        values = query.getlist(name)
        if len(values) > 1 or any(len(value) > _MAX_CHARS for value in values):
            raise AnswerInvalid(detail=f"{name} stands twice or is too long")
        if values and values[0]:
            given[name] = values[0]
    if "state" not in given or ("code" in given) == ("error" in given):
        raise AnswerInvalid(detail="not an authorization response")
    return Answer(
        state_hash=hashed(given["state"]),
        code=Secret(given["code"]) if "code" in given else None,
        iss=given.get("iss"),
        error=oauth.redacted(given.get("error"), max_chars=64),
        error_description=oauth.redacted(given.get("error_description")),
    )


def is_from(answer: Answer, endpoints: Endpoints) -> bool:
    """Say whether the answer names the issuer that was asked (RFC 9207 section 2.4).

    Simple string comparison. Without the name it passes only where the provider never said that it
    names itself.
    """
    if answer.iss is None:
        return not endpoints.announces_iss
    return compare_digest(answer.iss.encode(), endpoints.issuer.encode())


def exchange(session: ConsentSession, code: Secret, endpoints: Endpoints) -> oauth.Tokens:
    """Return the tokens for `code` (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

    Raises:
        oauth.OAuthError: there are none; the code may be spent.
    """
    provider: CredentialProvider = session.provider
    form: dict[str, str | list[str]] = {
        "grant_type": "authorization_code",
        "code": code.reveal(),
        "redirect_uri": provider.callback_url,
        # RFC 8707 section 2.2: for these alone, of all that the code might be good for.
        "resource": session.resources,
    }
    if provider.traits.pkce:
        form["code_verifier"] = session.verifier().reveal()
    return oauth.token_request(endpoints.token, client=provider.client(), form=form)
