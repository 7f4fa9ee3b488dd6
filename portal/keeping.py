"""What a person does with conversations they keep: name, pin, delete, bring back.

One that is deleted is gone from every page and from the API at once, and its answer stops. Until it
is forgotten it can be brought back, which takes nothing but an undo.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import redis
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.models import User
from portal.attachments import attachments_end_with
from portal.conversations import run_stop
from portal.errors import PageNotFound, TitleRefused
from portal.models import Conversation, Run
from portal.selectors import active_run_of, begun_by

log = logging.getLogger(__name__)

KEPT_DELETED = timedelta(minutes=10)
_BATCH = 200


def conversation_rename(*, conversation: Conversation, title: str) -> None:
    """Name a conversation; runs of spaces become one.

    Raises:
        TitleRefused: the name is empty or too long.
    """
    title = " ".join(title.split())
    if not title:
        raise TitleRefused(_("Give it a name."))
    if len(title) > Conversation.TITLE_CHARS:
        raise TitleRefused(
            _("The name is too long: %(size)d of at most %(most)d characters.")
            % {"size": len(title), "most": Conversation.TITLE_CHARS}
        )
    conversation.title = title
    conversation.save(update_fields=["title"])


def conversation_pin(*, conversation: Conversation, pinned: bool) -> None:
    """Keep a conversation at the top of the list, or do so no more."""
    if pinned != (conversation.pinned_at is not None):
        conversation.pinned_at = timezone.now() if pinned else None
        conversation.save(update_fields=["pinned_at"])


def conversation_delete(*, conversation: Conversation) -> None:
    """Delete a conversation and stop its answer; it can be brought back for KEPT_DELETED."""
    with transaction.atomic():
        # As whoever says something in it does: either that was before, or it finds nothing.
        locked = Conversation.objects.select_for_update(of=("self",), no_key=True).get(
            pk=conversation.pk
        )
        locked.deleted_at = locked.deleted_at or timezone.now()
        locked.save(update_fields=["deleted_at"])
        run = active_run_of(locked)
    if run is not None:
        _stop(run)


def conversations_delete(*, user: User) -> int:
    """Delete all conversations of `user`, stop their answers, and return how many they were.

    They can be brought back for KEPT_DELETED.
    """
    # Whoever says something in one of them locks it: either that was before, and its answer is
    # stopped below, or it finds nothing.
    deleted = kept_of(user).update(deleted_at=timezone.now())
    answering = Run.objects.filter(status__in=Run.ACTIVE, conversation__in=deleted_of(user))
    for run in answering.select_related("conversation"):
        _stop(run)
    return deleted


def conversations_restore(*, user: User) -> int:
    """Bring back all that `user` deleted KEPT_DELETED ago at most; return how many they were."""
    return deleted_of(user).update(deleted_at=None)


def kept_of(user: User) -> QuerySet[Conversation]:
    """Return the conversations of `user` in which something was said."""
    return begun_by(user).filter(deleted_at=None)


def deleted_of(user: User) -> QuerySet[Conversation]:
    """Return what `user` deleted and can still bring back."""
    since = timezone.now() - KEPT_DELETED
    return begun_by(user).filter(deleted_at__gt=since)


def _stop(run: Run) -> None:
    try:
        run_stop(run=run)
    except redis.RedisError as exc:
        # It ends by itself, and nobody sees what it says.
        log.warning("run.not_stopped", extra={"run": str(run.pk), "failure": type(exc).__name__})


def conversation_restore(*, conversation: Conversation) -> None:
    """Bring back a conversation that was deleted KEPT_DELETED ago at most, as it was.

    Raises:
        PageNotFound: it is too late, or it is forgotten by now.
    """
    deleted = Conversation.objects.filter(
        pk=conversation.pk, deleted_at__gt=timezone.now() - KEPT_DELETED
    )
    if not deleted.update(deleted_at=None):
        raise PageNotFound
    conversation.deleted_at = None


def forget_deleted(*, at: datetime) -> int:
    """Delete for good what was deleted KEPT_DELETED ago, with all that was said; return how many.

    What an agent still answers in is left for the next time.
    """
    active = Run.objects.filter(status__in=Run.ACTIVE).values("conversation")
    due = Conversation.objects.filter(deleted_at__lt=at - KEPT_DELETED).exclude(pk__in=active)
    forgotten = 0
    for pk in due.order_by("deleted_at").values_list("pk", flat=True)[:_BATCH]:
        with transaction.atomic():
            # Asked once more: it may have been brought back since.
            held = Conversation.objects.select_for_update(of=("self",), skip_locked=True)
            conversation = held.filter(pk=pk, deleted_at__lt=at - KEPT_DELETED).first()
            if conversation is None:
                continue
            attachments_end_with(conversation)
            conversation.delete()
        forgotten += 1
    return forgotten
