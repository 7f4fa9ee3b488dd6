"""Calls of agents that are signed with an access key (SigV4): no person's token is shown."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import IO

from django_stubs_ext import StrOrPromise

from agents.gateway import headers
from agents.gateway.messages import Inbound
from agents.keys import verification
from agents.keys.callers import Caller
from agents.keys.operations import INVOKE_FOR_USER
from agents.keys.verification import Signature
from core.errors import Forbidden, InvalidRequest
from core.wire.canonical import SignedRequest

_IN_MEMORY_BYTES = 1 << 20
_CHUNK_BYTES = 64 * 1024
_PAUSE_S = 30
# AWS takes 1024; this is what a subject may have anywhere here.
_MAX_USER_ID_CHARS = 255
# What tells the platform for whom and in which session: changed on the way, it would be another
# call. SigV4 itself wants only `x-amz-*` to be signed.
_MUST_BE_SIGNED = "x-amzn-bedrock-agentcore-"


class NotForAUser(Forbidden):
    """An agent's own key was used to call in the name of a user."""

    code = "not_for_a_user"
    message: StrOrPromise = (
        "You are not authorized to perform: bedrock-agentcore:InvokeAgentRuntimeForUser with an "
        "access key that is bound to a workload identity."
    )


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified call: by whose key, which headers that covers, and the body, read whole."""

    signature: Signature
    body: AsyncIterator[bytes]
    size: int

    @property
    def caller(self) -> Caller:
        """Return whose key it is."""
        return self.signature.caller


async def verified(inbound: Inbound, *, body: AsyncIterator[bytes], held: AsyncExitStack) -> Signed:
    """Return the call once its signature is verified; the bytes of `body` are kept by `held`.

    The signature covers a hash of the body, so all of it has to be there before anything is passed
    on. It is kept in memory up to a mebibyte and in a file without a name beyond. A call whose key
    is unknown is refused before its body is read.

    Raises:
        SignatureRefused, RegistryUnavailable: by `verification.verify`.
        InvalidRequest: the body does not come, or whatever `body` raises.
    """
    await verification.refuse_unknown(_request(inbound, body_sha256=""))
    kept = held.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115 (held closes it)
    signature = await verification.verify(_request(inbound, body_sha256=await _keep(body, kept)))
    return Signed(signature, _chunks_of(kept), kept.tell())


def _request(inbound: Inbound, *, body_sha256: str) -> SignedRequest:
    return SignedRequest(
        method=inbound.method,
        raw_path=inbound.raw_path.encode("latin-1"),
        raw_query=inbound.query.encode("latin-1"),
        headers=tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in inbound.headers),
        body_sha256=body_sha256,
    )


async def _keep(body: AsyncIterator[bytes], kept: IO[bytes]) -> str:
    """Write the body to `kept` and return its SHA-256, in hexadecimal."""
    digest = sha256()
    chunks = aiter(body)
    while True:
        try:
            async with asyncio.timeout(_PAUSE_S):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise InvalidRequest("The body does not come.", reason="CannotParse") from None
        if chunk is None:
            return digest.hexdigest()
        digest.update(chunk)
        kept.write(chunk)


async def _chunks_of(kept: IO[bytes]) -> AsyncIterator[bytes]:
    kept.seek(0)
    while chunk := kept.read(_CHUNK_BYTES):
        yield chunk


def user_id(inbound: Inbound, call: Signed) -> str | None:
    """Return the user whom an operator calls for; opaque, and nobody's but this operator's word.

    Raises:
        Forbidden: the headers that say for whom are not signed, or the key may not say so.
        OperationNotAllowed: the key is limited to others.
        InvalidRequest: it is no name of a user.
    """
    named = {name for name, _ in inbound.headers if name.startswith(_MUST_BE_SIGNED)}
    if unsigned := named - call.signature.headers:
        raise Forbidden(f"These headers must be signed: {', '.join(sorted(unsigned))}")
    given = inbound.header(headers.USER_ID)
    if given is None:
        return None
    if not call.caller.is_operator:
        raise NotForAUser(detail=f"key {call.caller.access_key_id}")
    call.caller.refuse_other(INVOKE_FOR_USER)
    try:
        given = given.encode("latin-1").decode()
    except UnicodeError:
        raise InvalidRequest("'runtimeUserId' is not UTF-8.") from None
    if not 0 < len(given) <= _MAX_USER_ID_CHARS or not given.isprintable():
        raise InvalidRequest(
            "'runtimeUserId' failed to satisfy constraint: Member must have length between 1 and "
            f"{_MAX_USER_ID_CHARS}"
        )
    return given
