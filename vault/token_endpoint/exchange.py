"""The grants of the token endpoint: each a service of the wire API, in the standard's words."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from agents.keys import client_secrets
from agents.keys.callers import Caller
from agents.wire import tokens
from agents.wire.calls import WireCall
from agents.workload import LIFETIME_S
from core import reference
from core.errors import InvalidRequest, invalid
from core.patience import patiently
from core.secret import Secret
from core.wire.app import Call, Output
from vault.asked import scopes
from vault.asked.wanted import ResourceToken, Wanted, resources_of
from vault.errors import PersonMissing
from vault.flows import return_urls
from vault.flows.client_credentials import M2M
from vault.token_endpoint.form import Form
from vault.token_endpoint.refusals import (
    GrantTypeUnsupported,
    InteractionRequired,
    ScopeInvalid,
    TargetInvalid,
)
from vault.token_read import USER_FEDERATION, Waiting, live_token, token_read

Body = dict[str, Any]

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  (RFC 8693 section 3)
JWT = "urn:ietf:params:oauth:token-type:jwt"
# RFC 8693 section 3 leaves other kinds to who makes them.
WORKLOAD_TOKEN = "urn:daiko:oauth:token-type:workload-access-token"  # noqa: S105


async def token_issue(caller: Caller, form: Form) -> Body:
    """Return the answer to a token request (RFC 6749 section 5.1) of a client that proved itself.

    Raises:
        InvalidRequest: it is not a request that this endpoint takes.
        OperationNotAllowed: the client's access key is limited to others.
        InteractionRequired: a person has to consent first.
        As the operations of the wire API.
    """
    if form.get("client_secret") is not None:
        raise invalid("client_secret", "Show the access key by HTTP Basic, and not in the form.")
    if form.get("client_id") not in {None, caller.access_key_id}:
        raise invalid("client_id", "The client_id is another than the access key that is shown.")
    grant = _GRANTS.get(form.required("grant_type"))
    if grant is None:
        raise GrantTypeUnsupported(f"The grant types here are {' and '.join(_GRANTS)}.")
    return await grant(caller, form)


async def _for_itself(caller: Caller, form: Form) -> Body:
    """Return a workload access token of the client alone."""
    return await _workload_token(caller, "GetWorkloadAccessToken", tokens.token_get)


async def _exchanged(caller: Caller, form: Form) -> Body:
    """Return a token in exchange for another (RFC 8693): of a person, or for a provider."""
    if form.get("actor_token") is not None:
        raise invalid("actor_token", "The client is the actor: there is no actor_token.")
    subject_token = Secret(form.required("subject_token"))
    kind = form.required("subject_token_type")
    if kind == WORKLOAD_TOKEN:
        _refuse_other_kind(form, ACCESS_TOKEN)
        return await _provider_token(caller, form, subject_token)
    if kind in {JWT, ACCESS_TOKEN}:
        _refuse_other_kind(form, WORKLOAD_TOKEN)
        if form.all("audience") or form.all("resource"):
            raise TargetInvalid(
                "A person's token is exchanged for a workload access token, and that for a "
                "provider's: leave audience and resource to the second request."
            )
        return await _workload_token(
            caller,
            "GetWorkloadAccessTokenForJWT",
            tokens.token_get_for_jwt,
            userToken=subject_token,
        )
    raise invalid("subject_token_type", f"It is {JWT}, {ACCESS_TOKEN} or {WORKLOAD_TOKEN}.")


def _refuse_other_kind(form: Form, issued: str) -> None:
    if form.get("requested_token_type") not in {None, issued}:
        raise invalid("requested_token_type", f"What this is exchanged for is a {issued}.")


async def _workload_token(
    caller: Caller,
    operation: str,
    handler: Callable[[WireCall], Awaitable[Output]],
    **asked: Secret,
) -> Body:
    """Return what an operation of the wire API issues for the client's own workload identity."""
    await client_secrets.admit(caller, operation)
    begun = reference.current()
    output = await handler(
        Call(
            operation=operation,
            input={"workloadName": caller.workload_name, **asked},
            caller=caller,
            request_id=begun.id,
            client_ip=begun.client_ip,
        )
    )
    return {
        "access_token": output["workloadAccessToken"].reveal(),
        "issued_token_type": WORKLOAD_TOKEN,
        # It opens nothing but this endpoint and the wire API (RFC 8693 section 2.2.1).
        "token_type": "N_A",
        "expires_in": LIFETIME_S,
    }


async def _provider_token(caller: Caller, form: Form, subject_token: Secret) -> Body:
    """Return a provider's access token; `audience` names the credential provider."""
    await client_secrets.admit(caller, "GetResourceOauth2Token")
    asked: dict[str, Any] = {
        "caller": caller,
        "unverified_token": subject_token,
        "flow": form.get("flow") or USER_FEDERATION,
        "provider_name": _provider_name(form),
        "wanted": _wanted(form),
    }
    session_uri = form.get("session_uri")
    answer: ResourceToken | Waiting | None = None
    try:
        if session_uri is None:
            answer = await live_token(**asked)
        if answer is None:
            answer = await patiently(partial(_token_read, session_uri=session_uri), asked)
    except PersonMissing as exc:
        if form.get("flow"):
            raise
        raise PersonMissing(
            f"The flow was not given, and {exc.message} It is the default; flow={M2M} is for the "
            "agent itself."
        ) from None
    if isinstance(answer, Waiting):
        raise InteractionRequired(
            authorization_url=answer.authorization_url,
            session_uri=answer.session_uri,
            polled=session_uri is not None,
        )
    return {
        "access_token": answer.access.reveal(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": answer.token_type,
        **_expires_in(answer.expires_at),
        "scope": " ".join(answer.scopes),
    }


def _token_read(asked: dict[str, Any], *, session_uri: str | None) -> ResourceToken | Waiting:
    return token_read(**asked, session_uri=session_uri)


def _provider_name(form: Form) -> str:
    audiences = form.all("audience")
    if len(audiences) != 1:
        raise TargetInvalid("The audience is the name of one credential provider.")
    return audiences[0]


def _wanted(form: Form) -> Wanted:
    state = form.get("state")
    try:
        asked = scopes.parsed([form.get("scope") or ""])
    except InvalidRequest as exc:
        raise ScopeInvalid(exc.message) from None
    try:
        resources = resources_of(form.all("resource"))
    except InvalidRequest as exc:
        raise TargetInvalid(exc.message) from None
    return Wanted(
        scopes=tuple(asked),
        return_url=form.get("redirect_uri") or return_urls.own(),
        custom_state=None if state is None else Secret(state),
        custom_parameters={},
        resources=resources,
        forced=False,
    )


def _expires_in(expires_at: datetime | None) -> dict[str, int]:
    """Return for how many seconds the token is good yet, where its issuer said so."""
    return {} if expires_at is None else {"expires_in": int(expires_at.timestamp() - time.time())}


_GRANTS: dict[str, Callable[[Caller, Form], Awaitable[Body]]] = {
    "client_credentials": _for_itself,
    "urn:ietf:params:oauth:grant-type:token-exchange": _exchanged,
}
GRANT_TYPES = list(_GRANTS)
