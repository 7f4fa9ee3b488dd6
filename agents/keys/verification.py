"""Who signed a call to the wire API (SigV4), or showed a key's secret.

What a key is limited to is asked here, once for the whole wire API.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.keys import replays, use
from agents.keys.callers import Caller
from agents.keys.operations import OperationNotAllowed, only_reads
from agents.models import AccessKey
from core import audit, strangers
from core.errors import Unauthorized
from core.recent import Recent, by_orm
from core.secret import Secret
from core.wire import sigv4
from core.wire.canonical import SignedRequest
from core.wire.model import SIGNING_NAME

# No key has it: the alphabet of secrets has no dash.
_NO_SECRET = Secret("-" * 40)


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as the database has it. No secret: it is unknown, or cannot be used any more."""

    caller: Caller
    secret: Secret | None
    unusable: sigv4.Reason | None = None
    expires_at: datetime | None = None
    agent_id: str = ""  # of the agent whose workload identity it is bound to

    def why_unusable(self, *, at: datetime) -> sigv4.Reason | None:
        """Return why nobody can use the key any more, if nobody can."""
        is_over = self.expires_at is not None and self.expires_at <= at
        return self.unusable or (sigv4.Reason.KEY_EXPIRED if is_over else None)


class KeyUnusable(sigv4.SignatureRefused):
    """The key that is named is switched off, revoked or expired. Outside, it never was.

    Whether its holder signed is not asked: of what it is bound to, the trail is told, and nobody
    else.
    """

    def __init__(
        self, unverified: sigv4.UnverifiedSignature, known: _Known, reason: sigv4.Reason
    ) -> None:
        alike = sigv4.unusable(unverified, reason)
        super().__init__(alike.reason, str(alike.message), access_key_id=alike.access_key_id)
        self.workload_name = known.caller.workload_name or ""
        self.agent_id = known.agent_id


class SecretRefused(Unauthorized):
    """What was shown is no access key that can be used. `reason` is for the trail alone."""

    code = "invalid_client"
    message = _("There is no such access key, or this is not its secret.")

    def __init__(
        self, reason: str, *, access_key_id: str = "", workload_name: str = "", agent_id: str = ""
    ) -> None:
        super().__init__(detail=reason)
        self.reason = reason
        self.access_key_id = access_key_id  # as it was named, which proves nothing
        self.workload_name = workload_name
        self.agent_id = agent_id


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was verified: whose key made it, and which headers it covers."""

    caller: Caller
    headers: frozenset[str]
    unverified: sigv4.UnverifiedSignature = field(repr=False)

    async def spend(self) -> None:
        """Return unless something was done on this signature, but for a moment ago.

        Raises:
            SignatureRefused: it is a replay.
            RegistryUnavailable: nobody can say.
        """
        mark = self.unverified.signature
        if not await replays.is_fresh(mark, good_until=self.unverified.good_until):
            raise sigv4.SignatureRefused(
                sigv4.Reason.REPLAYED,
                "This very request was received before. Sign each attempt anew.",
                access_key_id=self.caller.access_key_id,
            )


async def verify(request: SignedRequest) -> Signature:
    """Return who signed `request`.

    A key that is unknown and one that cannot be used any more are refused alike.

    Raises:
        SignatureRefused: the signature is not one of an enabled key of this site.
        RegistryUnavailable: the keys cannot be asked for.
    """
    unverified = _parse(request)
    known = await _known.get(unverified.access_key_id)
    _refuse_unusable(unverified, known)
    sigv4.check(unverified, known.secret)
    await use.note(known.caller.access_key_id)
    return Signature(known.caller, unverified.signed_headers, unverified)


def _refuse_unusable(unverified: sigv4.UnverifiedSignature, known: _Known) -> None:
    reason = known.why_unusable(at=timezone.now())
    if reason is not None:
        raise KeyUnusable(unverified, known, reason)


async def holder(access_key_id: str, shown: Secret) -> Caller:
    """Return who holds the key, by its very secret, where nothing can be signed with it.

    A key that is unknown, one that cannot be used any more, and a wrong secret are refused alike.

    Raises:
        SecretRefused: it is not the secret of an enabled key of this site.
        RegistryUnavailable: the keys cannot be asked for.
    """
    known = await _known.get(access_key_id)
    reason: str | None = known.why_unusable(at=timezone.now())
    # Compared whatever was found, so that the time tells nobody which it is.
    is_right = shown == (known.secret or _NO_SECRET)
    if reason is None and known.secret is None:
        reason = sigv4.Reason.UNKNOWN_KEY
    if reason is None and not is_right:
        reason = "secret_mismatch"
    if reason is not None:
        raise SecretRefused(
            reason,
            access_key_id=access_key_id,
            workload_name=known.caller.workload_name or "",
            agent_id=known.agent_id,
        )
    await use.note(access_key_id)
    return known.caller


async def check_head(request: SignedRequest) -> str | None:
    """Return None once the signature covers what `request` states to be the hash of its body.

    Where it states none, the id of the key is returned, on whose word alone the body has to be
    read, and only what `verify` would refuse whatever the body is, is refused. Whether the body is
    what was stated, `verify` says.

    Raises:
        SignatureRefused, RegistryUnavailable: as `verify` does.
    """
    stated = request.merged.get("x-amz-content-sha256", "")
    unverified = _parse(replace(request, body_sha256=stated))
    known = await _known.get(unverified.access_key_id)
    _refuse_unusable(unverified, known)
    if stated or known.secret is None:
        sigv4.check(unverified, known.secret)
    return None if stated else unverified.access_key_id


async def authenticate(request: SignedRequest, operation: str) -> Caller:
    """Return who signed `request` for `operation` of the wire API; a refusal is on record.

    What does more than read cannot be replayed a moment from here on.

    Raises:
        SignatureRefused, RegistryUnavailable: as `verify` does; the former also of a replay.
        OperationNotAllowed: the key is for others.
        TooManyRefusals: instead of SignatureRefused, where too many came from this address.
        AuditUnavailable: the refusal could not be recorded.
    """
    try:
        signature = await verify(request)
        signature.caller.refuse_other(operation)
        if not only_reads(operation):
            await signature.spend()
    except OperationNotAllowed as exc:
        caller = signature.caller
        event = replace(
            _refused(operation, exc.code),
            workload=caller.workload_name or "",
            client=caller.access_key_id,
        )
        await audit.arecord(event)
        raise
    except sigv4.SignatureRefused as exc:
        event = _refused(operation, exc.reason, **named_in(exc))
        if isinstance(exc, KeyUnusable):
            event = replace(event, workload=exc.workload_name, agent=exc.agent_id)
        await strangers.refused(event)
        raise
    return signature.caller


def _refused(operation: str, reason: str, **told: str) -> audit.Event:
    detail = {"operation": operation, **told}
    return audit.Event("wire.call", outcome="refused", reason=reason, detail=detail)


def named_in(refused: sigv4.SignatureRefused) -> dict[str, str]:
    """Return what the trail keeps of a signature that was refused: what was found, and the key."""
    found = {"found": refused.detail}
    return {**found, "access_key_id": refused.access_key_id} if refused.access_key_id else found


def _parse(request: SignedRequest) -> sigv4.UnverifiedSignature:
    return sigv4.parse(request, at=timezone.now(), region=settings.AWS_REGION, service=SIGNING_NAME)


def forget() -> None:
    """Drop every copy of a key."""
    _known.forget()


def _load(access_key_id: str) -> _Known:
    key = (
        AccessKey.objects.select_related("workload_identity__agent")
        .filter(access_key_id=access_key_id)
        .first()
    )
    if key is None:
        return _Known(Caller(access_key_id, workload_name=""), None)
    identity = key.workload_identity
    caller = Caller(
        access_key_id,
        # The empty name is nobody's. None is an operator's, of which the row has to say so.
        None if key.kind == AccessKey.Kind.OPERATOR else identity.name if identity else "",
        frozenset(key.operations),
    )
    agent_id = identity.agent_id if identity else ""
    if not key.enabled:
        reason = sigv4.Reason.KEY_REVOKED if key.revoked_at else sigv4.Reason.KEY_DISABLED
        return _Known(caller, None, reason, agent_id=agent_id)
    return _Known(caller, key.secret(), None, key.expires_at, agent_id)


_known: Recent[str, _Known] = by_orm(_load)
