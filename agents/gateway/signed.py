"""Calls of agents that are signed with an access key (SigV4): no person's token is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from agents.gateway import headers
from agents.gateway.messages import Inbound
from agents.keys import verification
from agents.keys.callers import Caller
from agents.keys.operations import INVOKE_FOR_USER
from agents.keys.verification import Signature
from core.errors import Forbidden, InvalidRequest
from core.wire import hashed_body
from core.wire.canonical import SignedRequest

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
    on. Where the call states that hash, the signature is verified before any of the body is read;
    where it does not, a key's id is all that is known of it, and few large bodies are read on that.
    It is verified again, as the call may be too old once the body is there.

    Raises:
        SignatureRefused, RegistryUnavailable: by `verification.verify`.
        Throttled: the body is large, its hash not stated, and there are such already.
        InvalidRequest: the body does not come, or whatever `body` raises.
    """
    on_word_of = await verification.check_head(_request(inbound, body_sha256=""))
    whole = await hashed_body.read(body, held=held, on_word_of=on_word_of)
    signature = await verification.verify(_request(inbound, body_sha256=whole.sha256))
    return Signed(signature, whole.chunks, whole.size)


def _request(inbound: Inbound, *, body_sha256: str) -> SignedRequest:
    return SignedRequest(
        method=inbound.method,
        raw_path=inbound.raw_path.encode("latin-1"),
        raw_query=inbound.query.encode("latin-1"),
        headers=tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in inbound.headers),
        body_sha256=body_sha256,
    )


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
