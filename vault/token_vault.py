"""The token vault's own key: which it is, another one, and what is left when it was deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit, data_keys, kms, sealed_columns, wrapping
from core.audit import Actor
from core.errors import Conflict, InvalidRequest, NotFound, invalid
from core.key_errors import KeyMissing, KeyUnavailable, SealBroken
from core.models import DataKey, TokenVault
from vault import revocations, sessions
from vault.errors import VaultError
from vault.models import ConsentSession, Grant, ObtainedToken, Revocation

_BATCH = 200
_REASON = "key_deleted"


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
    """Forget every token of a vault whose KMS key was deleted, and begin anew under the site's own.

    This cannot be undone. Providers are told of the tokens that this process can still open. Asked
    again, it goes on where it was interrupted.

    Raises:
        ResetRefused: the key is not deleted, or the vault has none of its own.
        KeyUnavailable: KMS does not answer now.
        VaultChanged: somebody else changed the vault's keys at the same time.
    """
    if not vault.lost_key_arn:
        _refuse_unless_deleted(vault.kms_key_arn)
        _begin_anew(vault, actor)
    current = DataKey.objects.get(purpose=DataKey.Purpose.VAULT, retired_at=None)
    data_keys.opened.forget_sealing()
    grants = Grant.objects.select_related("workload_identity__agent", "provider")
    _each(grants, current, lambda grant: _forget_grant(grant, actor))
    _each(ConsentSession.objects.all(), current, _forget_session)
    _each(ObtainedToken.objects.all(), current, lambda row: row.delete())
    _each(Revocation.objects.all(), current, _forget_revocation)
    with transaction.atomic():
        _change(vault, lost_key_arn="")
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
        _change(vault, kms_key_arn="", lost_key_arn=lost)
        sealing = DataKey.objects.filter(purpose=DataKey.Purpose.VAULT, retired_at=None)
        sealing.update(retired_at=timezone.now())
        made.save(force_insert=True)
        detail = {"lost": lost, "key": made.kek_id}
        audit.record(audit.Event("vault.keys.reset", actor=actor.name, detail=detail))


def _each(rows: QuerySet[Any], current: DataKey, forget: Callable[[Any], object]) -> None:
    """Call `forget` for each row whose access token is not sealed under `current`, in batches."""
    column = sealed_columns.column_of(rows.model, "access_sealed")
    for batch in column.batches(column.rows_apart_from([current.pk])):
        for first in range(0, len(batch), _BATCH):
            keys = [row.pk for row in batch[first : first + _BATCH]]
            with transaction.atomic():
                held = rows.select_for_update(of=("self",), no_key=True)
                for row in held.filter(pk__in=keys, access_sealed__isnull=False):
                    forget(row)


def _forget_grant(grant: Grant, actor: Actor) -> None:
    revocations.grant_forget(
        grant=grant, actor=actor, lost=(KeyMissing, KeyUnavailable, SealBroken)
    )


def _forget_session(session: ConsentSession) -> None:
    ended: dict[str, Any] = {
        "status": ConsentSession.Status.FAILED,
        "failure": _REASON,
        "ended_at": timezone.now(),
        "access_sealed": None,
        "refresh_sealed": None,
        "custom_state_sealed": None,
        "custom_parameters_sealed": None,
    }
    ConsentSession.objects.filter(pk=session.pk).update(**ended)
    session.status = ended["status"]
    sessions.announce(session)


def _forget_revocation(row: Revocation) -> None:
    try:
        row.access_token()
    except (KeyMissing, KeyUnavailable, SealBroken):
        row.delete()
