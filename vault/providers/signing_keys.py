"""Changing the keys by which this site signs client assertions."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from core import audit
from vault.models import SigningKey
from vault.models.signing_keys import new_signing_key


def signing_keys_rotate(*, at_once: bool, actor: str) -> list[str]:
    """Make a new key of each kind in use, on record, and return the kinds.

    The new ones sign once providers have seen them; `at_once` they do now, and those of before are
    gone, as after a leak.

    Raises:
        AuditUnavailable: nothing was changed.
        KeyMissing, KeyUnavailable: a private half cannot be sealed. Nothing was changed.
    """
    signs_in = timedelta() if at_once else SigningKey.PUBLISHED_BEFORE
    with transaction.atomic():
        kinds = SigningKey.kinds_in_use()
        for kind in kinds:
            made = new_signing_key(kind, signs_in=signs_in)
            before = SigningKey.objects.filter(kind=kind).exclude(pk=made.pk)
            dropped = before.delete()[0] if at_once else 0
            audit.record(
                audit.Event(
                    "vault.signing_keys.rotated",
                    actor=actor,
                    detail={
                        "kind": kind,
                        "key": made.kid,
                        "signs_from": made.signs_from.isoformat(),
                        "dropped": dropped,
                    },
                )
            )
    return kinds
