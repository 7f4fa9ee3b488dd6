"""The token vault's own key: which it is, another one, and a new start when it was deleted."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit, data_keys, kms, wrapping
from core.audit import Actor
from core.errors import Conflict, InvalidRequest, NotFound, invalid
from core.key_errors import KeyMissing, SealBroken
from core.models import DataKey, TokenVault
from vault.errors import VaultError


class VaultUnknown(VaultError, NotFound):
    """There is one token vault, and it has another name."""

    code = "token_vault_not_found"
    message = _("There is no such token vault: the one there is is named “default”.")


class VaultChanged(VaultError, Conflict):
    """Somebody else changed the vault's keys at the same time. Nothing was changed here."""

    code = "token_vault_changed"
    aws = "ConcurrentModificationException"
    message = _("The token vault's keys were changed at the same time. Try again.")


class ResetRefused(VaultError, InvalidRequest):
    """The vault's key is not lost, so nothing is destroyed."""

    code = "token_vault_not_lost"


def vault_named(name: str) -> TokenVault:
    """Return the token vault. Raises VaultUnknown."""
    if name != TokenVault.DEFAULT:
        raise VaultUnknown
    return TokenVault.objects.get_or_create(pk=TokenVault.DEFAULT)[0]


def vault_key_set(*, vault: TokenVault, kms_key_arn: str, actor: Actor) -> TokenVault:
    """Have the vault's data keys wrapped by a KMS key from now on; empty: as the site's own are.

    Tokens stay as they are sealed, and everybody goes on reading them. The key is tried first.

    Raises:
        InvalidRequest: the key cannot be used by this site, or the one before cannot any more.
        KeyUnavailable: KMS does not answer now.
        VaultChanged: somebody else changed the vault's keys at the same time.
    """
    kek_id = kms_key_arn or wrapping.sites_own()
    _try(kek_id)
    # KMS is asked before the transaction, so whatever changes meanwhile is found by comparing.
    keys = list(DataKey.objects.filter(purpose=DataKey.Purpose.VAULT))
    rewrapped = {key.pk: _rewrapped(key, kek_id) for key in keys if key.kek_id != kek_id}
    with transaction.atomic():
        _change(vault, kms_key_arn=kms_key_arn)
        for key in keys:
            held = DataKey.objects.filter(pk=key.pk, sealed=key.sealed)
            sealed = rewrapped.get(key.pk, key.sealed)
            if not held.update(kek_id=kek_id, sealed=sealed):
                raise VaultChanged
        # A new one that appeared meanwhile is wrapped as before.
        if DataKey.objects.filter(purpose=DataKey.Purpose.VAULT).count() != len(keys):
            raise VaultChanged
        audit.record(
            audit.Event(
                "vault.keys.chosen",
                actor=actor.name,
                detail={"key": kek_id, "rewrapped": len(rewrapped)},
            )
        )
    return vault


def vault_reset(*, vault: TokenVault, actor: Actor) -> TokenVault:
    """Begin anew a vault whose KMS key was deleted, and order that what it sealed is forgotten.

    This cannot be undone. One short transaction: nothing is sealed under the lost key any more, and
    every value under it is lost, however many there are; `vault.upkeep.losing` forgets them.
    Asked again meanwhile, it changes nothing.

    Raises:
        ResetRefused: the key is not deleted, or the vault has none of its own.
        KeyUnavailable: KMS does not answer now.
        VaultChanged: somebody else changed the vault's keys at the same time.
    """
    if not vault.lost_key_arn:
        _refuse_unless_deleted(vault.kms_key_arn)
        _begin_anew(vault, actor)
        data_keys.opened.forget_sealing()
    return vault


def _try(kek_id: str) -> None:
    try:
        wrapping.unwrap(wrapping.new_data_key(DataKey.Purpose.VAULT, kek_id=kek_id))
    except (KeyMissing, SealBroken) as exc:
        message = f"The key cannot be used to encrypt and decrypt: {exc.detail}"
        raise invalid("kmsConfiguration.kmsKeyArn", message) from None


def _rewrapped(key: DataKey, kek_id: str) -> bytes:
    try:
        return wrapping.rewrapped(key, kek_id=kek_id)
    except (KeyMissing, SealBroken) as exc:
        raise InvalidRequest(
            f"The token vault's present key cannot be used ({exc.detail}). Enable it or cancel its "
            "deletion; if it was deleted, see ResetTokenVaultKeyMaterial."
        ) from None


def _change(vault: TokenVault, **columns: Any) -> None:
    """Change the vault's row, provided that it is as it was read. Raises VaultChanged."""
    changes = {**columns, "version": vault.version + 1, "updated_at": timezone.now()}
    if not TokenVault.objects.filter(pk=vault.pk, version=vault.version).update(**changes):
        raise VaultChanged
    for name, value in changes.items():
        setattr(vault, name, value)


def _refuse_unless_deleted(kms_key_arn: str) -> None:
    if not kms_key_arn:
        raise ResetRefused("The token vault has no customer managed key that could be lost.")
    try:
        if kms.is_deleted(kms_key_arn):
            return
    except KeyMissing as exc:
        raise ResetRefused(f"KMS does not say what became of the key: {exc.detail}") from None
    raise ResetRefused(
        "The token vault's customer managed key still exists. Enable it or cancel its scheduled "
        "deletion; to use another one, see SetTokenVaultCMK."
    )


def _begin_anew(vault: TokenVault, actor: Actor) -> None:
    """Give the vault a data key that the site's own key wraps; on record before tokens go."""
    made = wrapping.new_data_key(DataKey.Purpose.VAULT, kek_id=wrapping.sites_own())
    with transaction.atomic():
        lost = vault.kms_key_arn
        _change(vault, kms_key_arn="", lost_key_arn=lost, reset_by=actor.name[:255])
        sealing = DataKey.objects.filter(purpose=DataKey.Purpose.VAULT, retired_at=None)
        sealing.update(retired_at=timezone.now())
        made.save(force_insert=True)
        detail = {"lost": lost, "key": made.kek_id}
        audit.record(audit.Event("vault.keys.reset", actor=actor.name, detail=detail))
