"""OAuth clients: an access key that is shown as client id and secret, instead of signed with.

For agents without an AWS SDK. It is taken by HTTP Basic alone (RFC 6749 section 2.3.1): a secret in
a form is a secret in whatever keeps forms. A client is one workload identity: an operator's key,
which may do everything, never needs to travel, so it is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote

from agents.keys import verification
from agents.keys.callers import Caller
from agents.keys.verification import SecretRefused
from core import audit, strangers
from core.errors import Forbidden
from core.secret import Secret

_ACTION = "oauth2.token"
_SCHEME = "basic "
_ID = re.compile(r"[A-Z0-9]{1,128}")


class NotForOperators(Forbidden):
    """An operator's key was shown."""

    code = "not_for_operators"
    message = "An operator's access key is no client: it has no workload identity. Sign with it."


async def authenticate(headers: Mapping[str, str]) -> Caller:
    """Return whose access key is shown; the names of `headers` are lower case. Refusals are kept.

    Raises:
        SecretRefused: it is not that of an enabled key of this site.
        TooManyRefusals: instead, where too many came from this address.
        NotForOperators: it is an operator's.
        RegistryUnavailable, AuditUnavailable: nobody can say, or keep it.
    """
    try:
        access_key_id, secret = _shown(headers.get("authorization", ""))
        caller = await verification.holder(access_key_id, secret)
    except SecretRefused as exc:
        await strangers.refused(
            audit.Event(
                _ACTION,
                outcome="refused",
                reason=exc.reason,
                workload=exc.workload_name,
                agent=exc.agent_id,
                detail={"access_key_id": exc.access_key_id} if exc.access_key_id else {},
            )
        )
        raise
    async with _attempt(caller):
        if caller.is_operator:
            raise NotForOperators
    return caller


async def admit(caller: Caller, operation: str) -> None:
    """Return if the caller's key may be used for `operation`. Raises OperationNotAllowed, kept."""
    async with _attempt(caller, operation=operation):
        caller.refuse_other(operation)


def _attempt(caller: Caller, **detail: str) -> audit.Attempt:
    workload, client = caller.workload_name or "", caller.access_key_id
    return audit.Attempt(audit.Event(_ACTION, workload=workload, client=client, detail=detail))


def _shown(authorization: str) -> tuple[str, Secret]:
    """Return the id and the secret in an `Authorization` header.

    By the RFC both are form-encoded; most clients send them bare, as curl does. Neither has a space
    or a percent sign of its own, and an id has nothing to encode, so one reading is right for both.
    """
    if not authorization:
        raise SecretRefused("client_missing")
    if not authorization.lower().startswith(_SCHEME):
        raise SecretRefused("client_malformed")
    try:
        decoded = base64.b64decode(authorization[len(_SCHEME) :], validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise SecretRefused("client_malformed") from None
    access_key_id, colon, secret = decoded.partition(":")
    if not colon or not _ID.fullmatch(access_key_id):
        raise SecretRefused("client_malformed")
    return access_key_id, Secret(unquote(secret))
