"""Making access keys and switching them on and off."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.errors import AgentsError
from agents.keys.operations import ALL, FOR_AGENTS
from agents.models import AccessKey, WorkloadIdentity
from core import audit
from core.audit import Actor
from core.crypto import seal
from core.errors import Conflict, invalid
from core.secret import Secret

_PREFIX = "AKIA"
_ID_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"
# Two, so that the next one is in use before the last one is revoked.
MAX_LIVE = 2
_ID_CHARS, _SECRET_CHARS = 16, 40  # 80 and 240 bits


class TooManyKeys(AgentsError, Conflict):
    """A workload identity has as many keys as a rotation needs, and no more."""

    code = "too_many_keys"
    message = _("Its workload identity has two keys in use already. Revoke one of them first.")


class KeyRevoked(AgentsError, Conflict):
    """A key that was revoked is not switched on again."""

    code = "key_is_revoked"
    message = _("This key was revoked, and its secret is erased. Make a new one.")


def access_key_create(
    *,
    label: str,
    workload_identity: WorkloadIdentity | None,
    operations: Iterable[str] = (),
    expires_at: datetime | None = None,
    replaces: AccessKey | None = None,
    actor: Actor,
) -> tuple[AccessKey, Secret]:
    """Return a new key and its secret, which nothing shows again.

    It is the key of `workload_identity`; with None, an operator's. Without `operations` it may do
    all that its kind may. `replaces` is the key that it is to take the place of.

    Raises:
        InvalidRequest: there is no such operation, or it is not one of the key's kind.
        TooManyKeys: the workload identity has MAX_LIVE keys already.
    """
    key_id = _PREFIX + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARS))
    secret = Secret("".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_CHARS)))
    key = AccessKey(
        access_key_id=key_id,
        label=label,
        kind=AccessKey.Kind.OPERATOR if workload_identity is None else AccessKey.Kind.AGENT,
        workload_identity=workload_identity,
        operations=sorted(set(operations)),
        expires_at=expires_at,
        replaces=replaces,
    )
    _refuse_operations(key)
    key.secret_sealed = seal(secret, bound_to=key.binding("secret_sealed"))
    with transaction.atomic():
        _refuse_too_many(key)
        key.save(force_insert=True)
        put_on_record("created", key, actor)
    return key, secret


def access_key_switch(*, key: AccessKey, enabled: bool, actor: Actor) -> None:
    """Switch the key on or off. Off, it is refused within a second, as one that never was.

    Raises:
        KeyRevoked: it was revoked, which is for good.
        TooManyKeys: on, it would be one more than its workload identity may have.
    """
    with transaction.atomic():
        if enabled:
            _refuse_too_many(key)
        rows = AccessKey.objects.filter(pk=key.pk, revoked_at=None)
        if rows.exclude(enabled=enabled).update(enabled=enabled):
            put_on_record("enabled" if enabled else "disabled", key, actor)
        elif enabled and not rows.exists():
            raise KeyRevoked
    key.enabled = enabled


def _refuse_operations(key: AccessKey) -> None:
    known = FOR_AGENTS if key.kind == AccessKey.Kind.AGENT else ALL
    if unknown := sorted(set(key.operations) - set(known)):
        raise invalid("operations", f"This key cannot be limited to {', '.join(unknown)}.")


def _refuse_too_many(key: AccessKey) -> None:
    """Hold the key's workload identity, and raise TooManyKeys where it has enough others."""
    hold_identity(key)
    identity = key.workload_identity
    if identity is not None and has_enough(identity, besides=key):
        raise TooManyKeys


def hold_identity(key: AccessKey) -> None:
    """Make others who change keys of the same workload identity wait for this transaction.

    It is held before any key, so that no two of them wait for each other.
    """
    held = WorkloadIdentity.objects.select_for_update(of=("self",), no_key=True)
    if key.workload_identity_id is not None:
        held.get(pk=key.workload_identity_id)


def has_enough(identity: WorkloadIdentity, *, besides: AccessKey | None = None) -> bool:
    """Say whether the workload identity has as many keys in use as it may, besides one."""
    expired = Q(expires_at__lte=timezone.now())
    in_use = identity.access_keys.filter(enabled=True).exclude(expired)
    if besides is not None and besides.pk is not None:
        in_use = in_use.exclude(pk=besides.pk)
    return in_use.count() >= MAX_LIVE


def put_on_record(done: str, key: AccessKey, actor: Actor, **detail: object) -> None:
    """Put on record what was done to a key. Raises AuditUnavailable."""
    identity = key.workload_identity
    limited = {"operations": key.operations} if key.operations else {}
    audit.record(
        audit.Event(
            f"admin.access_key.{done}",
            actor=actor.name,
            subject=actor.subject,
            workload=identity.name if identity else "",
            detail={
                "access_key_id": key.access_key_id,
                "kind": key.kind,
                "label": key.label,
                **limited,
                **detail,
            },
        )
    )
