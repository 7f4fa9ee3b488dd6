"""Refreshing one grant: what is sent, what is put on record, and when a provider is left alone.

`core.refreshing` sees to it that a refresh token is spent once, whoever asks. Nothing here holds a
row lock or a transaction while a provider is asked. `vault.grants.due` refreshes many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from core import audit, oauth, refreshing
from core.refreshing import Settled
from core.secret import Secret
from vault.ending import revocations
from vault.models import CredentialProvider, Grant, Revocation
from vault.providers.endpoints import endpoints_of
from vault.webhooks import happenings, outbox


@dataclass(frozen=True, slots=True)
class Line:
    """Where one provider takes refresh tokens, and this site's client there."""

    endpoint: str
    client: oauth.Client

    @classmethod
    def to(cls, provider: CredentialProvider) -> Line:
        """Return the line to `provider`: whatever may fail before a request leaves, done before.

        Raises:
            VaultError: its metadata cannot be had, or is not usable.
            SealBroken, KeyMissing: the client's secret does not open.
        """
        return cls(endpoints_of(provider).token, provider.client())

    def spend(self, token: Secret) -> oauth.Tokens:
        """Return what the provider gives for a refresh token. Raises OAuthError."""
        return oauth.token_request(self.endpoint, client=self.client, form=_form(token))

    async def aspend(self, token: Secret) -> oauth.Tokens:
        """Return what the provider gives for a refresh token. Raises OAuthError."""
        return await oauth.atoken_request(self.endpoint, client=self.client, form=_form(token))


def _form(token: Secret) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token.reveal()}


def grant_refresh(*, grant: Grant) -> Grant:
    """Return `grant` refreshed, by this call or by another's; what came of it is on record.

    Raises:
        refreshing.ReconnectNeeded: the grant is over.
        oauth.OAuthError, refreshing.StillBusy, VaultError: not now; the grant keeps what it has.
    """
    left_s = rest_left_s(grant.provider)
    if left_s > 0:
        raise oauth.TryLater(retry_after_s=left_s, detail="the provider asked to be left alone")
    line = Line.to(grant.provider)
    queued: list[Revocation] = []
    try:
        return refreshing.refresh(
            grant,
            among=Grant.objects.with_parties(),
            spend=line.spend,
            record=lambda settled: queued.extend(record(settled)),
            grace_s=grant.provider.refresh_grace_s,
        )
    finally:
        for row in queued:
            revocations.attempt(row)


def record(settled: Sequence[Settled[Grant]]) -> list[Revocation]:
    """Put on record what became of grants, and return what the provider is still to be told.

    Runs in the transaction that changes them.
    """
    audit.record_all(_event(one) for one in settled)
    outbox.announce([each for one in settled for each in happenings.of_refresh(one)])
    for one in settled:
        if isinstance(one.failure, oauth.TryLater) and one.failure.retry_after_s:
            provider_rest(provider=one.row.provider, for_s=one.failure.retry_after_s)
    return [
        revocations.queue(one.row, one.orphan.access, one.orphan.refresh)
        for one in settled
        if one.orphan is not None
    ]


def rest_left_s(provider: CredentialProvider) -> float:
    """Return for how many seconds `provider` is still to be left alone."""
    until = provider.refresh_not_before
    return 0.0 if until is None else max((until - timezone.now()).total_seconds(), 0.0)


def provider_rest(*, provider: CredentialProvider, for_s: float) -> None:
    """Have no process refresh at `provider` for so long; what was longer before stands."""
    until = timezone.now() + timedelta(seconds=for_s)
    CredentialProvider.objects.filter(
        Q(refresh_not_before=None) | Q(refresh_not_before__lt=until), pk=provider.pk
    ).update(refresh_not_before=until)


def _event(settled: Settled[Grant]) -> audit.Event:
    grant, failure = settled.row, settled.failure
    detail: dict[str, object] = {"grant": str(grant.pk)}
    if failure is None:
        detail["generation"] = grant.generation
    else:
        detail["failure"] = failure.detail
    return audit.Event(
        "vault.refresh",
        outcome="allowed" if failure is None else "failed",
        reason="" if failure is None else failure.code,
        subject=grant.subject,
        agent=grant.workload_identity.agent_id,
        workload=grant.workload_identity.name,
        provider=grant.provider.name,
        detail=detail,
    )
