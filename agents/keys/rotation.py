"""Rotating an access key: a second one, both in use for a while, then the end of the first."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.errors import AgentsError
from agents.keys.access_keys import access_key_create, hold_identity, put_on_record
from agents.models import AccessKey
from core.audit import Actor
from core.errors import Conflict
from core.secret import Secret


class NotToRotate(AgentsError, Conflict):
    """The key cannot be used, or is being rotated already."""

    code = "key_not_to_rotate"
    message = _("Only a key in use can be rotated, and only once: see whether it was already.")


def access_key_rotate(*, key: AccessKey, actor: Actor) -> tuple[AccessKey, Secret]:
    """Return a new key that may do what `key` may, and its secret. Both are good from now on.

    The new one does not expire: an end that was set for the old one was not meant for it.

    Raises:
        NotToRotate: `key` cannot be used, or has a successor in use.
        TooManyKeys: its workload identity has another key beside it.
    """
    with transaction.atomic():
        hold_identity(key)
        held = AccessKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        if not held.is_live(at=timezone.now()) or successor_of(held) is not None:
            raise NotToRotate
        made, secret = access_key_create(
            label=held.label,
            workload_identity=held.workload_identity,
            operations=held.operations,
            replaces=held,
            actor=actor,
        )
        put_on_record("rotated", held, actor, replaced_by=made.access_key_id)
    return made, secret


def access_key_revoke(*, key: AccessKey, actor: Actor) -> None:
    """Refuse the key from now on and for good, and erase its secret."""
    with transaction.atomic():
        rows = AccessKey.objects.filter(pk=key.pk, revoked_at=None)
        if rows.update(enabled=False, secret_sealed=None, revoked_at=timezone.now()):
            put_on_record("revoked", key, actor)
    key.refresh_from_db()


def successor_of(key: AccessKey) -> AccessKey | None:
    """Return the key that was made to replace `key`, while it is in use."""
    at = timezone.now()
    return next((made for made in key.replaced_by.all() if made.is_live(at=at)), None)


def predecessor_of(key: AccessKey) -> AccessKey | None:
    """Return the key that `key` was made to replace, while it is still in use."""
    old = key.replaces
    return old if old is not None and old.is_live(at=timezone.now()) else None
