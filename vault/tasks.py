"""Celery's way in. Each task is small, may run twice at once, and says nothing but a number."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps

from celery import shared_task
from celery.signals import worker_shutting_down
from django.utils import timezone

from core import rotation
from vault.ending import cascade, revocations
from vault.flows import obtaining, sessions
from vault.grants import due
from vault.providers import readiness
from vault.upkeep import losing
from vault.webhooks import delivering

# A run that finds more to do goes on, well below what the broker waits for an acknowledgement.
_RUN_S = 240.0
_TELL_S = 50.0
_END_S = 30.0
_DELIVER_S = 50.0
_stopping = threading.Event()


@worker_shutting_down.connect
def stop_refreshing(**_: object) -> None:
    """Let a run end with what is under way: a process that is killed then leaves marks."""
    _stopping.set()


def _one_at_a_time(task: Callable[[], None]) -> Callable[[], None]:
    """Return `task`, which does nothing while this process is at it.

    A run has as many requests under way as it can; a second one would be no gain, and would hold a
    thread that other tasks wait for.
    """
    running = threading.Lock()

    @wraps(task)
    def run() -> None:
        if running.acquire(blocking=False):
            try:
                task()
            finally:
                running.release()

    return run


@shared_task(ignore_result=True)
@_one_at_a_time
def refresh_due() -> None:
    """Refresh the grants whose time has come, unless this process is at it."""
    due.refresh_due(for_s=_RUN_S, stopping=_stopping)


@shared_task(ignore_result=True)
def expire_consent_sessions() -> None:
    """End the consent sessions whose ten minutes are over, and burn what they hold."""
    sessions.expire_due(at=timezone.now())


@shared_task(ignore_result=True)
def revoke_due() -> None:
    """Tell providers of tokens that ended here while they were away, or of which nobody waits."""
    revocations.attempt_due(for_s=_TELL_S)


@shared_task(ignore_result=True)
def end_accesses() -> None:
    """End, batch by batch, what admins ordered to be ended."""
    cascade.work_off(for_s=_END_S)


@shared_task(ignore_result=True)
def forget_lost_tokens() -> None:
    """Forget, batch by batch, what a deleted key of the token vault took with it."""
    losing.forget_lost(for_s=_END_S)


@shared_task(ignore_result=True)
@_one_at_a_time
def deliver_webhooks() -> None:
    """Send the events that are due, unless this process is at it."""
    delivering.deliver_due(for_s=_DELIVER_S, stopping=_stopping)


@shared_task(ignore_result=True)
def forget_old_webhooks() -> None:
    """Delete deliveries of long ago, and erase webhook secrets that sign no more."""
    delivering.forget_old(at=timezone.now())


@shared_task(ignore_result=True)
def destroy_unused_data_keys() -> None:
    """Destroy data keys that were retired hours ago and that no value names, on record."""
    rotation.destroy_unused(actor="destroy_unused_data_keys")


@shared_task(ignore_result=True)
def forget_obtained_tokens() -> None:
    """Delete tokens that were got without a person's consent and have expired."""
    obtaining.forget_expired(at=timezone.now())


@shared_task(ignore_result=True)
def check_waiting_providers() -> None:
    """Ask the providers that are not ready for their metadata again."""
    readiness.check_waiting()
