"""Grants: finding one, keeping what a person just granted, and releasing its access token."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from core import oauth
from core.refreshing import ReconnectNeeded, StillBusy
from vault.asked.wanted import ResourceToken, target_of
from vault.errors import ProviderMetadataWrong, ProviderUnavailable
from vault.grants.release import Question, release
from vault.grants.renewal import grant_refresh
from vault.models import Grant
from vault.standing import Parties, ask_again
from vault.webhooks import happenings, outbox

# A token that is handed out is good for at least this long, so that a call made with it arrives.
LEEWAY_S = 20.0
# With the provider away, what is left of the old token is still better than nothing.
LAST_RESORT_S = 2.0


def live(parties: Parties, *, target: str) -> Grant | None:
    """Return the live grant of these three for use at `target`, if there is one."""
    theirs = Grant.objects.with_parties().filter(**parties.columns)
    return theirs.filter(target=target, state=Grant.State.LIVE).first()


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
        Grant.objects.held()
        .select_for_update(of=("self",), no_key=True)
        .filter(**parties.columns, target=used_at["target"])
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
    outbox.announce([happenings.of_consent(grant, again=held is not None)])
    return grant


def token_release(
    *, grant: Grant, parties: Parties, scopes: tuple[str, ...], session_id: str, client: str
) -> ResourceToken:
    """Return the access token of `grant`, fresh, once its release is on record.

    Raises:
        ReconnectNeeded: the grant is over; the person has to be asked again.
        Forbidden: one of the parties was switched off while the token was refreshed.
        oauth.OAuthError, StillBusy, VaultError: it cannot be refreshed now.
        AuditUnavailable: the release cannot be put on record.
    """
    good_for_s = LEEWAY_S
    if not grant.is_fresh(at=timezone.now(), leeway_s=LEEWAY_S):
        _refresh(grant)
        good_for_s = 0.0
    asked = Question(
        workload_id=parties.workload.pk,
        subject=parties.subject,
        groups=parties.groups,
        chain=parties.chain,
        provider_name=parties.provider.name,
        scopes=scopes,
        target=grant.target,
        session_id=session_id,
        client=client,
        good_for_s=good_for_s,
    )
    token = release(asked)
    if token is None:
        # The provider may have taken its time, and with it an agent that was switched off.
        ask_again(parties)
        raise ReconnectNeeded(detail="taken back meanwhile")
    return token


def _refresh(grant: Grant) -> None:
    """Return once `grant` has an access token that is good for a while, or for a moment."""
    try:
        grant_refresh(grant=grant)
    except (oauth.OAuthError, StillBusy, ProviderUnavailable, ProviderMetadataWrong):
        if not grant.is_fresh(at=timezone.now(), leeway_s=LAST_RESORT_S):
            raise
