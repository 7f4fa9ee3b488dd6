"""Celery's way in. Each task is small, may run twice at once, and says nothing but a number."""

from __future__ import annotations

import time

from celery import shared_task
from django.utils import timezone

from vault import renewal, revocations, sessions

# A run that finds more to do goes on, up to a little less than is between two beats of a minute.
_RUN_S = 25.0


@shared_task(ignore_result=True)
def refresh_due() -> None:
    """Refresh the grants whose time has come, batch by batch."""
    until = time.monotonic() + _RUN_S
    while renewal.refresh_due() == renewal.BATCH and time.monotonic() < until:
        pass


@shared_task(ignore_result=True)
def expire_consent_sessions() -> None:
    """End the consent sessions whose ten minutes are over, and burn what they hold."""
    sessions.expire_due(at=timezone.now())


@shared_task(ignore_result=True)
def revoke_due() -> None:
    """Tell providers of tokens that ended here while they were away."""
    revocations.attempt_due()
