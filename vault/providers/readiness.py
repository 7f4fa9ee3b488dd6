"""Whether it is known where a provider answers, as its status says.

A provider may be kept while its metadata cannot be had. It is asked for them when it is kept, again
by a task until they are there, and whenever it is used; each success makes it ready. One that is
ready stays so while it is away: what was read of it is used.
"""

from __future__ import annotations

import logging

from django.utils import translation

from core.errors import AppError
from vault.errors import ProviderMetadataWrong, ProviderUnavailable
from vault.models import CredentialProvider
from vault.providers import discovery

log = logging.getLogger(__name__)

Status = CredentialProvider.Status
_NEW = {Status.CREATING, Status.CREATE_FAILED}
# For whoever waits at a form or for an answer of the wire API.
_ASK_S = 3.0


def begin(provider: CredentialProvider) -> None:
    """Set the status of a provider whose metadata are still to be read. Does not save."""
    is_new = provider._state.adding or provider.status in _NEW
    provider.failure_reason = ""
    provider.status = Status.READY
    if provider.metadata_url:
        provider.status = Status.CREATING if is_new else Status.UPDATING


def check(provider: CredentialProvider) -> None:
    """Ask `provider` for its metadata, for three seconds at most, and keep what came of it."""
    try:
        if provider.metadata_url:
            discovery.metadata_at(provider.metadata_url, timeout_s=_ASK_S)
    except (ProviderUnavailable, ProviderMetadataWrong) as exc:
        _failed(provider, exc)
    else:
        succeeded(provider)


def succeeded(provider: CredentialProvider) -> None:
    """Keep that `provider` is ready, where that is news."""
    if provider.status != Status.READY:
        _keep(provider, Status.READY, "")


def check_waiting() -> int:
    """Ask each provider that is not ready, and return how many are now."""
    waiting = list(CredentialProvider.objects.exclude(status=Status.READY))
    for provider in waiting:
        check(provider)
    return sum(provider.status == Status.READY for provider in waiting)


def _failed(provider: CredentialProvider, exc: AppError) -> None:
    is_new, away = provider.status in _NEW, isinstance(exc, ProviderUnavailable)
    waiting = Status.CREATING if is_new else Status.UPDATING
    wrong = Status.CREATE_FAILED if is_new else Status.UPDATE_FAILED
    with translation.override("en"):  # it is kept, and read in any language
        said = "It does not answer and is asked again each minute." if away else exc.message
        reason = f"{said} ({exc.detail})"
    _keep(provider, waiting if away else wrong, reason[:500])


def _keep(provider: CredentialProvider, status: Status, reason: str) -> None:
    """Store the status, unless an admin has changed where the provider answers meanwhile."""
    if (provider.status, provider.failure_reason) == (status, reason):
        return
    provider.status, provider.failure_reason = status, reason
    CredentialProvider.objects.filter(
        pk=provider.pk, discovery_url=provider.discovery_url, issuer=provider.issuer
    ).update(status=status, failure_reason=reason)
    log.info("vault.provider.status", extra={"provider": provider.name, "status": str(status)})
