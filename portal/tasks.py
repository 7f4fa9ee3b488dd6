"""Celery's way in: what the site tidies up behind people."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from agents.sessions.forgetting import forget_old
from portal.attachments import attachments_forget
from portal.keeping import forget_deleted
from portal.models import SignIn, UsedLogoutToken
from portal.runs.consents_at_aws import expire_due
from portal.signins import signin_end

_BATCH = 500
_FORGET_S = 240.0


@shared_task(ignore_result=True)
def end_abandoned_signins() -> None:
    """End the sign-ins that no browser's session can stand for any more, and forget the sessions.

    So are the ids of logout tokens whose time is over.

    A session lives for a fixed time after its sign-in; people close browsers and do not sign out.
    """
    now = timezone.now()
    begun_before = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    abandoned = SignIn.objects.select_related("user").exclude(state=SignIn.State.REVOKED)
    for signin in abandoned.filter(started_at__lt=begun_before).order_by("started_at")[:_BATCH]:
        signin_end(signin, action="person.signin.abandoned")
    Session.objects.filter(expire_date__lt=now).delete()
    UsedLogoutToken.objects.filter(forget_at__lt=now).delete()


@shared_task(ignore_result=True)
def forget_old_sessions() -> None:
    """Delete runtime sessions of long ago under whose ids nobody else could begin one."""
    forget_old(at=timezone.now(), for_s=_FORGET_S)


@shared_task(ignore_result=True)
def forget_deleted_conversations() -> None:
    """Delete for good the conversations that people deleted a while ago, and what waits unsent."""
    forget_deleted(at=timezone.now())
    attachments_forget(at=timezone.now())


@shared_task(ignore_result=True)
def expire_consents_at_aws() -> None:
    """End the requests for consent at AWS that nobody has answered in time."""
    expire_due(at=timezone.now())
