"""Access keys: the key pairs that sign calls to the wire API (SigV4).

A key is an operator's, who may do everything, or is bound to the one workload identity that its
holder, an agent's process, may act as.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.models import AccessKey, WorkloadIdentity
from agents.policies import Principal, principals
from core import audit, strangers
from core.audit import Actor
from core.crypto import seal
from core.recent import Recent
from core.secret import Secret
from core.wire import sigv4
from core.wire.canonical import SignedRequest, merged_headers
from core.wire.model import SIGNING_NAME

_PREFIX = "AKIA"
_ID_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"
_ID_CHARS, _SECRET_CHARS = 16, 40  # 80 and 240 bits


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever proved to hold an access key."""

    access_key_id: str
    workload_name: str | None  # None: an operator

    @property
    def is_operator(self) -> bool:
        """Say whether the key is bound to no workload identity."""
        return self.workload_name is None

    @property
    def principal(self) -> Principal:
        """Return the caller as resource policies name them."""
        return principals.of_key(self.access_key_id, self.workload_name)

    def may_act_as(self, workload_name: str) -> bool:
        """Say whether the key may be used for `workload_name`."""
        return self.is_operator or self.workload_name == workload_name


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as the database has it. No secret: it is unknown or switched off."""

    caller: Caller
    secret: Secret | None
    disabled: bool = False
    agent_id: str = ""  # of the agent whose workload identity it is bound to


class KeyDisabled(sigv4.SignatureRefused):
    """The key that is named is switched off. Outside, it is as if it had never been.

    Whether its holder signed is not asked: of what it is bound to, the trail is told, and nobody
    else.
    """

    def __init__(self, unverified: sigv4.UnverifiedSignature, known: _Known) -> None:
        alike = sigv4.unusable(unverified, sigv4.Reason.KEY_DISABLED)
        super().__init__(alike.reason, str(alike.message), access_key_id=alike.access_key_id)
        self.workload_name = known.caller.workload_name or ""
        self.agent_id = known.agent_id


def access_key_create(
    *, label: str, workload_identity: WorkloadIdentity | None, actor: Actor
) -> tuple[AccessKey, Secret]:
    """Return a new key and its secret, which nothing shows again.

    It is the key of `workload_identity`; with None, an operator's, which may do everything.
    """
    kind = AccessKey.Kind.OPERATOR if workload_identity is None else AccessKey.Kind.AGENT
    key_id = _PREFIX + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARS))
    secret = Secret("".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_CHARS)))
    key = AccessKey(
        access_key_id=key_id, label=label, kind=kind, workload_identity=workload_identity
    )
    key.secret_sealed = seal(secret, bound_to=key.binding("secret_sealed"))
    with transaction.atomic():
        key.save(force_insert=True)
        _record("created", key, actor)
    return key, secret


def access_key_switch(*, key: AccessKey, enabled: bool, actor: Actor) -> None:
    """Switch the key on or off. Off, it is refused within a second, as one that never was."""
    with transaction.atomic():
        if AccessKey.objects.filter(pk=key.pk).exclude(enabled=enabled).update(enabled=enabled):
            _record("enabled" if enabled else "disabled", key, actor)
    key.enabled = enabled


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was verified: whose key made it, and which headers it covers."""

    caller: Caller
    headers: frozenset[str]


async def verify(request: SignedRequest) -> Signature:
    """Return who signed `request`.

    A key that is unknown and one that is switched off are refused alike.

    Raises:
        SignatureRefused: the signature is not one of an enabled key of this site.
        RegistryUnavailable: the keys cannot be asked for.
    """
    unverified = _parse(request)
    known = await _known.get(unverified.access_key_id)
    _refuse_disabled(unverified, known)
    sigv4.check(unverified, known.secret)
    return Signature(known.caller, unverified.signed_headers)


def _refuse_disabled(unverified: sigv4.UnverifiedSignature, known: _Known) -> None:
    if known.disabled:
        raise KeyDisabled(unverified, known)


async def refuse_unknown(request: SignedRequest) -> None:
    """Refuse what `verify` would refuse whatever the body of `request` is.

    Raises:
        SignatureRefused, RegistryUnavailable: as `verify` does.
    """
    stated = merged_headers(request.headers).get("x-amz-content-sha256", "")
    unverified = _parse(replace(request, body_sha256=stated))
    known = await _known.get(unverified.access_key_id)
    _refuse_disabled(unverified, known)
    if known.secret is None:
        sigv4.check(unverified, None)


async def authenticate(request: SignedRequest) -> Caller:
    """Return who signed `request`, for the wire API; a refusal is on record, or counted.

    Raises:
        SignatureRefused, RegistryUnavailable: as `verify` does.
        TooManyRefusals: instead of SignatureRefused, where too many came from this address.
        AuditUnavailable: the refusal could not be recorded.
    """
    try:
        return (await verify(request)).caller
    except sigv4.SignatureRefused as exc:
        event = audit.Event("wire.call", outcome="refused", reason=exc.reason)
        if isinstance(exc, KeyDisabled):
            event = replace(event, workload=exc.workload_name, agent=exc.agent_id)
        await strangers.refused(replace(event, detail=named_in(exc)))
        raise


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
    workload_name = identity.name if identity else ""  # the empty name is nobody's
    if not key.enabled:
        agent_id = identity.agent_id if identity else ""
        return _Known(Caller(access_key_id, workload_name), None, disabled=True, agent_id=agent_id)
    if key.kind == AccessKey.Kind.OPERATOR:
        return _Known(Caller(access_key_id, workload_name=None), key.secret())
    return _Known(Caller(access_key_id, workload_name), key.secret())


_known: Recent[str, _Known] = Recent(_load)


def _record(done: str, key: AccessKey, actor: Actor) -> None:
    identity = key.workload_identity
    audit.record(
        audit.Event(
            f"admin.access_key.{done}",
            actor=actor.name,
            subject=actor.subject,
            workload=identity.name if identity else "",
            detail={"access_key_id": key.access_key_id, "kind": key.kind, "label": key.label},
        )
    )
