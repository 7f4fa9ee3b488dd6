"""Two endpoints of another party's authorization server: token (RFC 6749 section 3.2) and
revocation (RFC 7009, or what the server has in its place)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from django_stubs_ext import StrOrPromise

from core import http
from core.dialect import Dialect, Refusal, refusal_in, scope_in
from core.errors import AppError
from core.secret import Secret

ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
TokenKind = Literal["access_token", "refresh_token"]

_TIMEOUT_S = 10.0
_MAX_EXPIRES_S = 365 * 24 * 3600
_SUCCESS, _REDIRECT, _SERVER_ERROR = 200, 300, 500
_TOO_MANY = 429
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VISIBLE = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendix A.12 and A.17
# What goes into a token request and is no secret; a server may repeat it.
_HARMLESS = {
    *("grant_type", "client_id", "redirect_uri", "scope", "resource", "audience"),
    *("token_type_hint", "subject_token_type", "actor_token_type", "requested_token_use"),
}
# What looks like a credential in a provider's own words is not repeated: long unbroken runs.
_LONG_RUN = re.compile(r"[A-Za-z0-9_\-.~+/=]{24,}")
# Such as GitHub's `incorrect_client_credentials`.
_ERROR_CODE = re.compile(r"[a-z]{1,16}(?:_[a-z]{1,16})+")


class OAuthError(AppError):
    """A token endpoint gave no token. `error`, `description`: the provider's own, redacted."""

    code = "oauth_failed"
    status = 502
    aws = "InternalServerException"
    retry_after_s: float | None = None

    def __init__(
        self,
        message: StrOrPromise | None = None,
        *,
        error: str = "",
        description: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message, detail=detail or f"{error}: {description}")
        self.error = error
        self.description = description


class GrantRejected(OAuthError):
    """`invalid_grant` (RFC 6749 section 5.2): the person has to be asked again."""

    code = "invalid_grant"


class Misconfigured(OAuthError):
    """The server refuses the client or the request as such; an admin has to act."""

    code = "provider_misconfigured"


class TryLater(OAuthError):
    """The server did not act on the request. It may be repeated after `retry_after_s`."""

    code = "provider_unavailable"
    status = 503

    def __init__(self, *, retry_after_s: float | None = None, detail: str = "") -> None:
        super().__init__("The provider is not available right now.", detail=detail)
        self.retry_after_s = retry_after_s


class Unanswered(OAuthError):
    """No whole answer came: the server may have acted, and so may have spent what was sent."""

    code = "provider_unanswered"
    status = 503


@dataclass(frozen=True, slots=True)
class Client:
    """How this site names itself to one authorization server, and speaks with it.

    `assertion` makes a client assertion for an audience (RFC 7523 section 2.2). It may block.
    """

    id: str
    secret: Secret | None
    auth: ClientAuth = "client_secret_basic"
    assertion: Callable[[str], Secret] | None = None
    dialect: Dialect = field(default_factory=Dialect)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token endpoint's successful answer (RFC 6749 section 5.1)."""

    access: Secret
    refresh: Secret | None
    id_token: Secret | None
    expires_in_s: int | None
    scope: str | None


async def atoken_request(endpoint: str, *, client: Client, form: http.Form) -> Tokens:
    """Return the tokens that `endpoint` issues for `form`.

    Raises:
        GrantRejected: what was presented is not, or no longer, good.
        Misconfigured: any other refusal of RFC 6749 section 5.2.
        TryLater: 429 or 5xx, or no connection; nothing was spent.
        Unanswered: sent, and no usable answer; it may have been spent.
    """
    answer = await _post(endpoint, client=client, form=form, timeout_s=_TIMEOUT_S)
    body = _json_object(answer)
    if answer.status != http.OK or "error" in body:
        raise _refused(answer.status, refusal_in(body), client, sent=_secrets_of(client, form))
    return _tokens(client.dialect.read(body), client.dialect)


def token_request(endpoint: str, *, client: Client, form: http.Form) -> Tokens:
    """Return, or raise, what `atoken_request` does, for a caller without an event loop."""
    return http.run(atoken_request(endpoint, client=client, form=form))


def revocation_request(
    endpoint: str, *, client: Client, token: Secret, hint: TokenKind, timeout_s: float
) -> None:
    """Tell the server that `token` ends (RFC 7009 section 2); one it does not know has ended.

    Raises:
        Misconfigured: it refuses the client, or to revoke this kind of token.
        TryLater, Unanswered: it may be asked again; a repetition does no harm.
    """
    form = {"token": token.reveal(), "token_type_hint": hint}
    answer = http.run(_post(endpoint, client=client, form=form, timeout_s=timeout_s))
    _check_ended(answer, client, sent=_secrets_of(client, form))


def ending_request(
    method: str,
    url: str,
    *,
    client: Client,
    body: Mapping[str, str] | None = None,
    bearer: Secret | None = None,
    timeout_s: float,
) -> None:
    """End tokens at a server that has its own way instead of RFC 7009.

    Asked as the `bearer` of the token, else as `client` by its secret; `body` goes as JSON.
    Raises as `revocation_request`.
    """
    headers, basic = dict(client.dialect.headers), None
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer.reveal()}"
    elif client.secret is not None:
        basic = (client.id, client.secret)
    asked = _ask(method, url, headers=headers, json=body, basic_auth=basic, timeout_s=timeout_s)
    sent = [*_secrets_of(client, body or {}), *([bearer.reveal()] if bearer else [])]
    _check_ended(http.run(asked), client, sent=sent)


def _check_ended(answer: http.Response, client: Client, *, sent: list[str]) -> None:
    """Return if the server says that the token has ended, now or before. Raises Misconfigured."""
    body = _json_object(answer, required=False)
    if _SUCCESS <= answer.status < _REDIRECT and "error" not in body:
        return
    refusal = refusal_in(body)
    if not refusal.is_any_of(client.dialect.ended):
        raise _refused(answer.status, refusal, client, sent=sent)


async def _post(
    endpoint: str, *, client: Client, form: http.Form, timeout_s: float
) -> http.Response:
    """Return the answer to `form`, sent as `client`, unless it is one to ask again after."""
    sent = dict(form)
    basic = None
    if client.auth == "client_secret_basic" and client.secret is not None:
        # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        basic = (quote(client.id, safe=""), Secret(quote(client.secret.reveal(), safe="")))
    elif client.id:
        sent["client_id"] = client.id
        if client.auth == "client_secret_post" and client.secret is not None:
            sent["client_secret"] = client.secret.reveal()
        if client.auth == "private_key_jwt" and client.assertion is not None:
            sent["client_assertion_type"] = _ASSERTION_TYPE
            made = await asyncio.to_thread(client.assertion, endpoint)
            sent["client_assertion"] = made.reveal()
    body = {"json": dict(http.pairs_of(sent))} if client.dialect.sends_json else {"form": sent}
    return await _ask(
        "POST",
        endpoint,
        headers=client.dialect.headers,
        basic_auth=basic,
        timeout_s=timeout_s,
        **body,
    )


async def _ask(method: str, url: str, **options: Any) -> http.Response:
    """Return the answer to a request, unless it is one to ask again after."""
    try:
        answer = await http.fetch(method, url, **options)
    except http.HttpUnanswered as exc:
        raise Unanswered("The provider did not answer in time.", detail=exc.detail) from None
    except http.HttpTooLarge as exc:
        raise Unanswered("The provider's answer is too large.", detail=exc.detail) from None
    except http.HttpRefused as exc:
        raise Misconfigured(exc.message, error="address_refused", detail=exc.detail) from None
    except http.HttpError as exc:
        raise TryLater(detail=exc.detail) from None
    if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
        raise TryLater(
            retry_after_s=http.retry_after_s(answer.headers),
            detail=f"status {answer.status}",
        )
    return answer


def _json_object(answer: http.Response, *, required: bool = True) -> dict[str, Any]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    if required and answer.status == http.OK:
        raise Unanswered("The provider's answer is not JSON.", detail="200 without a JSON object")
    return {}


def _secrets_of(client: Client, form: http.Form) -> list[str]:
    sent = [value for name, value in http.pairs_of(form) if name not in _HARMLESS]
    return [*sent, client.secret.reveal()] if client.secret else sent


def _refused(status: int, said: Refusal, client: Client, *, sent: list[str]) -> OAuthError:
    """Return what a server said no with; it may repeat what it was sent, and this does not."""
    error = redacted(said.error, secrets=sent) or f"status {status}"
    description = redacted(said.description, secrets=sent)
    is_grant = said.error == "invalid_grant" or said.is_any_of(client.dialect.rejected)
    kind = GrantRejected if is_grant else Misconfigured
    words = f"{error}: {description}" if description else error
    return kind(f"The provider answered “{words}”.", error=error, description=description)


def _tokens(body: Mapping[str, Any], dialect: Dialect) -> Tokens:
    access = _secret(body.get("access_token"))
    if access is None:
        raise Unanswered("The provider's answer holds no access token.", detail="no access_token")
    if str(body.get("token_type", "bearer")).lower() != "bearer":
        raise Misconfigured("The provider issues no bearer tokens.", error="token_type")
    expires_in_s = _expires_in_s(body.get("expires_in"))
    return Tokens(
        access=access,
        refresh=_secret(body.get("refresh_token")),
        id_token=_secret(body.get("id_token")),
        expires_in_s=dialect.assumed_lifetime_s if expires_in_s is None else expires_in_s,
        scope=scope_in(body, dialect.scope_separator),
    )


def _secret(value: Any) -> Secret | None:
    """Return a token, or None where there is none.

    Raises:
        Unanswered: it holds what no token may hold, such as the end of a header line.
    """
    if not isinstance(value, str) or not value:
        return None
    if not _VISIBLE.fullmatch(value):
        raise Unanswered("The provider's answer holds no usable token.", detail="not a token")
    return Secret(value)


def _expires_in_s(value: Any) -> int | None:
    """Return the lifetime in seconds; some servers send it as a string. None: not stated."""
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0), _MAX_EXPIRES_S)


def redacted(text: Any, *, secrets: Iterable[str] = (), max_chars: int = 200) -> str:
    """Return a provider's own words, bounded, printable, and without what may be a credential.

    `secrets` are taken out wherever they stand, however short they are.
    """
    if not isinstance(text, str):
        return ""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    printable = "".join(c if c.isprintable() else " " for c in text[: max_chars * 4])
    return _LONG_RUN.sub(_unless_code, printable).strip()[:max_chars]


def _unless_code(run: re.Match[str]) -> str:
    return run[0] if _ERROR_CODE.fullmatch(run[0]) else "…"
