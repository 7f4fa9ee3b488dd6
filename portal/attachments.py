"""Files that people attach to their questions: taken, sent once, and forgotten.

What a file is, is decided by its content: a browser's word and a name's ending are anybody's. Of a
text the ending says which kind it is, which changes nothing about what may be done with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from agents.models import Agent
from core.models import User
from portal.errors import AttachmentRefused, PageNotFound
from portal.models import Attachment, Conversation, Message
from portal.readable import readable

MAX_BYTES = 10 << 20
MAX_PER_MESSAGE = 5
# Of all that one message carries: it goes to the agent whole, and in base64.
MAX_MESSAGE_BYTES = 20 << 20
# Of all that one person has uploaded and not sent.
_MAX_WAITING_BYTES = 50 << 20
# Of all that one person's conversations hold.
_MAX_KEPT_BYTES = 500 << 20
_KEPT_WAITING = timedelta(days=1)
_BATCH = 200
_NAME_CHARS = 200
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_TEXTS = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
}
_PLAIN = "text/plain"
# What a browser lets people choose from.
_CHOSEN = {
    Agent.Accepts.IMAGES: "image/png,image/jpeg,image/webp,image/gif",
    Agent.Accepts.PDF: "application/pdf",
    Agent.Accepts.TEXT: "text/*,.txt,.md,.csv,.json,.log",
}
# What a text does not hold: a file that does is something else.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def media_type_of(content: bytes, *, name: str) -> str | None:
    """Return the media type of a file, or None where it is none of those that are taken."""
    for magic, media_type in _MAGIC:
        if content.startswith(magic):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if _NO_TEXT.search(text):
        return None
    return _TEXTS.get(PurePosixPath(name).suffix.lower(), _PLAIN)


def _kind_of(media_type: str) -> Agent.Accepts:
    """Return which kind of attachment a media type is."""
    if media_type.startswith("image/"):
        return Agent.Accepts.IMAGES
    return Agent.Accepts.PDF if media_type == "application/pdf" else Agent.Accepts.TEXT


def attachment_take(*, user: User, agent: Agent, name: str, content: bytes) -> Attachment:
    """Return a new attachment, which waits to be sent to an agent that takes it.

    Raises:
        AttachmentRefused: it is empty, too large, or nothing that the agent takes; or too much of
            this person's waits already, or is kept.
    """
    _check_size(len(content))
    cleaned = _cleaned(name)
    media_type = _taken(agent, media_type_of(content, name=cleaned))
    with transaction.atomic():
        # Of two that come at once, the second counts the first.
        User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)
        waiting = _waiting(user).aggregate(size=Sum("size"))["size"] or 0
        if waiting + len(content) > _MAX_WAITING_BYTES:
            raise AttachmentRefused(_("Too much waits to be sent. Send it, or remove some of it."))
        kept = Attachment.objects.filter(user=user).aggregate(size=Sum("size"))["size"] or 0
        if kept + len(content) > _MAX_KEPT_BYTES:
            raise AttachmentRefused(
                _(
                    "Your conversations hold as many files as there is room for: %(most)d MB. "
                    "Delete a conversation that has some; that makes room after ten minutes."
                )
                % {"most": _MAX_KEPT_BYTES >> 20}
            )
        return Attachment.objects.create(
            user=user, name=cleaned, media_type=media_type, size=len(content), content=content
        )


def attachment_drop(*, user: User, attachment_id: UUID) -> None:
    """Forget an attachment that waits. Raises PageNotFound: it is not theirs, or was sent."""
    if not _forget(_waiting(user).filter(pk=attachment_id)):
        raise PageNotFound


def attachments_send(message: Message, *, user: User, ids: Sequence[UUID]) -> None:
    """Attach to a new message what waits, or what is attached to another of the person's messages.

    To be called in the transaction that stores the message, with the person's row held.

    Raises:
        AttachmentRefused: they are too many or too large together, or one is not there (any more).
    """
    if not ids:
        return
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_PER_MESSAGE:
        raise AttachmentRefused(
            _("Attach at most %(most)d files to a message.") % {"most": MAX_PER_MESSAGE}
        )
    # Held, so that nobody forgets one that is about to be sent.
    held = Attachment.objects.select_for_update(of=("self",), no_key=True)
    found = list(held.filter(user=user, pk__in=wanted))
    if len(found) != len(wanted):
        raise AttachmentRefused(_("An attachment is not here any more. Attach it again."))
    if sum(one.size for one in found) > MAX_MESSAGE_BYTES:
        raise AttachmentRefused(
            _("The attachments are too large together: at most %(most)d MB.")
            % {"most": MAX_MESSAGE_BYTES >> 20}
        )
    message.attachments.set(found)


def attachments_check(question: Message, *, agent: Agent) -> None:
    """Check that the agent takes what is attached to a question, whenever that was.

    Raises:
        AttachmentRefused: it does not take one of them (any more).
    """
    for one in question.attachments.all():
        _taken(agent, one.media_type)


def attachments_copy(pairs: Collection[tuple[Message, Message]]) -> None:
    """Attach to the second message of each pair what is attached to the first."""
    to = {old.pk: new.pk for old, new in pairs}
    links = Attachment.messages.through
    links.objects.bulk_create(
        links(attachment_id=attachment_id, message_id=to[message_id])
        for attachment_id, message_id in links.objects.filter(message_id__in=to).values_list(
            "attachment_id", "message_id"
        )
    )


def attachment_of(user: User, *, attachment_id: UUID) -> Attachment:
    """Return an attachment of `user`, with its content.

    One of which each conversation was deleted is none.

    Raises:
        PageNotFound: there is none, or it is not theirs.
    """
    found = Attachment.objects.defer(None).filter(user=user, pk=attachment_id).first()
    if found is None:
        raise PageNotFound
    sent = found.messages.all()
    if sent.exists() and not sent.filter(conversation__deleted_at=None).exists():
        raise PageNotFound
    return found


def attachments_end_with(conversation: Conversation) -> None:
    """Delete what is attached in `conversation`, and in no other, before it is deleted for good.

    To be called in the transaction that deletes it.
    """
    here = Attachment.objects.filter(messages__conversation=conversation)
    elsewhere = Message.objects.exclude(conversation=conversation)
    # Held, so that nobody attaches one of them to a question of another conversation meanwhile.
    held = Attachment.objects.select_for_update(of=("self",)).filter(pk__in=here.values("pk"))
    ending = list(held.values_list("pk", flat=True))
    Attachment.objects.filter(pk__in=ending).exclude(messages__in=elsewhere).delete()


def attachments_forget(*, at: datetime) -> None:
    """Delete what nobody sent within a day, at most _BATCH of it."""
    _forget(Attachment.objects.filter(messages=None, created_at__lt=at - _KEPT_WAITING))


def file_bounds(agent: Agent) -> dict[str, Any]:
    """Return what the page holds files against before they are sent here, which decides."""
    kinds = ",".join(_CHOSEN[Agent.Accepts(kind)] for kind in agent.accepts)
    return {"most": MAX_PER_MESSAGE, "most_bytes": MAX_BYTES, "kinds": kinds}


def attachment_shape(attachment: Attachment) -> dict[str, Any]:
    """Return a file that somebody attached, without its content."""
    return {
        "id": attachment.pk,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size": attachment.size,
        "is_image": attachment.is_image,
        "url": attachment.get_absolute_url(),
    }


def _forget(unsent: QuerySet[Attachment]) -> int:
    """Delete some of `unsent`, but for what is being sent right now; return how many."""
    with transaction.atomic():
        locked = unsent.select_for_update(of=("self",), skip_locked=True)
        mine = list(locked.values_list("pk", flat=True)[:_BATCH])
        # Asked once more: one may have been sent before it was held.
        gone = Attachment.objects.filter(pk__in=mine, messages=None)
        return gone.delete()[1].get(Attachment._meta.label, 0)


def _waiting(user: User) -> QuerySet[Attachment]:
    return Attachment.objects.filter(user=user, messages=None)


def _taken(agent: Agent, media_type: str | None) -> str:
    """Return the type of a file that the agent takes. Raises AttachmentRefused: it does not."""
    if media_type is not None and _kind_of(media_type) in agent.accepts:
        return media_type
    kinds = "; ".join(str(Agent.Accepts(kind).label) for kind in agent.accepts)
    told = {"agent": agent.display_name, "kinds": kinds}
    if not agent.accepts:
        raise AttachmentRefused(_("%(agent)s takes no attachments.") % told)
    raise AttachmentRefused(_("%(agent)s does not take this file. It takes: %(kinds)s.") % told)


def _check_size(size: int) -> None:
    if not size:
        raise AttachmentRefused(_("The file is empty."))
    if size > MAX_BYTES:
        raise AttachmentRefused(
            _("The file is too large: at most %(most)d MB.") % {"most": MAX_BYTES >> 20}
        )


def _cleaned(name: str) -> str:
    """Return a name that is one line and no path; its ending stays where it has to be cut."""
    shown = readable(re.split(r"[/\\]", name)[-1]).strip(".") or _("file")
    if len(shown) <= _NAME_CHARS:
        return shown
    ending = PurePosixPath(shown).suffix[:16]
    return shown[: _NAME_CHARS - len(ending)] + ending
