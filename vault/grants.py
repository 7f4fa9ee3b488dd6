"""Grants: finding one, keeping what a person just granted, and releasing its access token."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import DatabaseError, transaction
from django.utils import timezone

from core import audit, oauth
from core.errors import AppError
from core.refreshing import ReconnectNeeded, StillBusy
from vault.errors import ProviderMetadataWrong, ProviderUnavailable
from vault.models import Grant
from vault.renewal import grant_refresh
from vault.standing import Parties, ask_again
from vault.wanted import ResourceToken, target_of

# A token that is handed out is good for at least this long, so that a call made with it arrives.
LEEWAY_S = 20.0
# With the provider away, what is left of the old token is still better than nothing.
LAST_RESORT_S = 2.0


def live(parties: Parties, *, target: str) -> Grant | None:
    """Return the live grant of these three for use at `target`, if there is one."""
    return (
        Grant.objects.select_related("workload_identity__agent", "provider")
        .filter(
            **parties.columns,
            target=target,
            state=Grant.State.LIVE,
        )
        .first()
    )


def grant_store(
    *,
    parties: Parties,
    tokens: oauth.Tokens,
    scopes: list[str],
    resources: Sequence[str] = (),
    audiences: Sequence[str] = (),
) -> Grant:
    """Return the grant of these three, holding `tokens` and nothing of what it held before.

    It is for use at `resources` and `audiences`; grants for use elsewhere stay as they are.

    The old refresh token goes even where none came with the new ones: it may belong to another
    account of the person at the provider. Runs in the caller's transaction, which holds `parties`.
    """
    used_at = {
        "resources": list(resources),
        "audiences": list(audiences),
        "target": target_of(resources, audiences),
    }
    held = (
        Grant.objects.select_for_update(of=("self",), no_key=True)
        .filter(**parties.columns, target=used_at["target"])
        .exclude(state=Grant.State.REVOKED)
        .order_by("-granted_at")
        .first()
    )
    grant = held or Grant(**parties.columns, **used_at)
    grant.refresh_sealed = None
    changes = {
        "refresh_sealed": None,
        "state": Grant.State.LIVE,
        # A refresh of the old tokens that is under way finds another generation, and is dropped.
        "generation": grant.generation + 1,
        "rotates": None,
        "spending_by": None,
        "spending_since": None,
        "spending_retried": False,
        "scopes": scopes,
        "granted_at": timezone.now(),
        **grant.columns_of(tokens),
    }
    for name, value in changes.items():
        setattr(grant, name, value)
    if held is None:
        grant.save(force_insert=True)
    else:
        grant.save(update_fields=list(changes))
    return grant


def token_release(*, grant: Grant, parties: Parties, session_id: str, client: str) -> ResourceToken:
    """Return the access token of `grant`, fresh, once its release is on record.

    `parties` were admitted for this very request. The record and the note of use are committed
    before the token is opened; if they cannot be, nothing is released.

    Raises:
        ReconnectNeeded: the grant is over; the person has to be asked again.
        Forbidden: one of the parties was switched off while the token was refreshed.
        oauth.OAuthError, StillBusy, VaultError: it cannot be refreshed now.
        AuditUnavailable: the release cannot be put on record.
    """
    current = grant
    if not grant.is_fresh(at=timezone.now(), leeway_s=LEEWAY_S):
        current = _refreshed(grant)
        # The provider may have taken its time, and with it an agent that was switched off.
        ask_again(parties)
    try:
        with transaction.atomic(durable=True):
            audit.record(_released(current, parties, session_id, client))
            still_live = Grant.objects.filter(pk=current.pk, state=Grant.State.LIVE).update(
                last_used_at=timezone.now(), last_used_session=session_id
            )
            if not still_live:
                transaction.set_rollback(True)
    except DatabaseError as exc:
        raise audit.AuditUnavailable(detail=type(exc).__name__) from None
    token = current.access_token() if still_live else None
    if token is None:
        raise ReconnectNeeded(detail="taken back meanwhile")
    return ResourceToken(token, current.access_expires_at, tuple(current.scopes))


def _refreshed(grant: Grant) -> Grant:
    """Return `grant` with an access token that is good for a while, or in need for a moment."""
    try:
        return grant_refresh(grant=grant)
    except (oauth.OAuthError, StillBusy, ProviderUnavailable, ProviderMetadataWrong) as exc:
        return _last_resort(grant, exc)


def _last_resort(grant: Grant, failure: AppError) -> Grant:
    """Return `grant` if its old token still works for a moment, else raise `failure`."""
    if grant.is_fresh(at=timezone.now(), leeway_s=LAST_RESORT_S):
        return grant
    raise failure


def _released(grant: Grant, parties: Parties, session_id: str, client: str) -> audit.Event:
    return audit.Event(
        "vault.token.released",
        subject=parties.subject,
        agent=parties.agent_id,
        workload=parties.workload.name,
        provider=parties.provider.name,
        client=client,
        detail={
            "grant": str(grant.pk),
            "generation": grant.generation,
            "scopes": grant.scopes,
            "session": session_id,
        },
    )
