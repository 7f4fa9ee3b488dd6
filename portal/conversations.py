"""Conversations: begun, continued, stopped, and asked again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import redis
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from agents.errors import AgentUnknown
from agents.models import Agent
from core.errors import Throttled
from core.models import User
from portal.attachments import attachments_check, attachments_copy, attachments_send
from portal.branches import branch
from portal.errors import AnswerUnderWay, MessageRefused, NotTheLastAnswer, PageNotFound
from portal.models import Conversation, Message, Run, SignIn
from portal.runs import lease, queue, records, stream
from portal.selectors import active_run_of, is_open_to

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 32 * 1024
# One person's answers at the same time, over all conversations.
MAX_ACTIVE_RUNS = 5
_TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it stands in the conversation, and the run that answers it."""

    message: Message
    run: Run


def conversation_begin(*, user: User, agent: Agent) -> Conversation:
    """Return a new conversation, which is listed once something is said in it."""
    return Conversation.objects.create(user=user, agent=agent)


def message_send(
    *,
    signin: SignIn,
    conversation: Conversation,
    text: str,
    client_key: UUID,
    attachments: Sequence[UUID] = (),
) -> Sent:
    """Store a message and queue the run that answers it; the same `client_key` again: nothing.

    Raises:
        MessageRefused: it is empty or too long.
        AttachmentRefused: something that is to be attached is not there, or not taken.
        AnswerUnderWay: the conversation's last answer is still being made.
        Throttled: this person has too many answers under way.
        AgentUnknown: the agent is not open to this person any more.
        PageNotFound: the conversation was deleted meanwhile.
    """
    _check_text(text)
    with transaction.atomic():
        _hold(signin.user)
        locked = _held(conversation.pk)
        before = locked.messages.filter(client_key=client_key).first()
        if before is not None:
            return Sent(before, before.runs.latest("created_at"))
        _check_may_run(signin.user, locked)
        message = locked.messages.create(role=Message.Role.USER, text=text, client_key=client_key)
        attachments_send(message, user=signin.user, ids=attachments)
        if not locked.title:
            locked.title = _title_from(text)
        locked.updated_at = timezone.now()
        locked.save(update_fields=["title", "updated_at"])
        return Sent(message, _queue_run(signin, message, agent=locked.agent))


def message_edit(*, signin: SignIn, message: Message, text: str, client_key: UUID) -> Sent:
    """Ask a question of the person's in other words, in a new branch of its conversation.

    The conversation stays as it is, and what was attached is so again. The same `client_key`
    again: nothing.

    Raises:
        MessageRefused, AttachmentRefused, AnswerUnderWay, Throttled, AgentUnknown, PageNotFound: as
            `message_send`.
    """
    _check_text(text)
    with transaction.atomic():
        _hold(signin.user)
        locked = _held(message.conversation_id)
        asked = Message.objects.filter(
            conversation__user=signin.user,
            conversation__branch_of__isnull=False,
            conversation__deleted_at=None,
            client_key=client_key,
        ).first()
        if asked is not None:
            return Sent(asked, asked.runs.latest("created_at"))
        _check_may_run(signin.user, locked)
        made = branch(locked, before=message)
        if not made.branched_at:
            made.title = _title_from(text)
            made.save(update_fields=["title"])
        new = made.messages.create(role=Message.Role.USER, text=text, client_key=client_key)
        attachments_copy([(message, new)])
        return Sent(new, _queue_run(signin, new, agent=locked.agent))


def run_retry(*, signin: SignIn, run: Run) -> Run:
    """Return a new run for the question of `run`, whose answer takes the place of the old one.

    Raises:
        NotTheLastAnswer: it goes on still, or something was said or asked again since.
        AttachmentRefused, Throttled, AgentUnknown, PageNotFound: as `message_send`.
    """
    with transaction.atomic():
        _hold(signin.user)
        locked = _held(run.conversation_id)
        newest = locked.runs.latest("created_at")
        if newest.pk != run.pk or newest.is_active:
            raise NotTheLastAnswer
        _check_may_run(signin.user, locked)
        Conversation.objects.filter(pk=locked.pk).update(updated_at=timezone.now())
        return _queue_run(signin, newest.question, agent=locked.agent)


def run_stop(*, run: Run) -> None:
    """Stop `run`, wherever it is executed; one that has ended stays as it is.

    Raises:
        redis.RedisError: whoever executes it cannot be told.
    """
    # One that nobody has begun ends here, and nobody will begin it.
    ended_here = Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.STOPPED, finished_at=timezone.now()
    )
    if ended_here:
        run.refresh_from_db()
        stream.append_sync(run.pk, stream.FINISHED, records.finished_event(run))
    elif Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).exists():
        lease.ask_to_stop(run.pk)


def _check_text(text: str) -> None:
    if not text.strip():
        raise MessageRefused(_("Write something first."))
    size = len(text.encode())
    if size > MAX_MESSAGE_BYTES:
        raise MessageRefused(
            _("The message is too long: %(size)d of at most %(most)d KB.")
            % {"size": -(-size // 1024), "most": MAX_MESSAGE_BYTES // 1024}
        )


def _hold(user: User) -> None:
    """Lock the person's row until the transaction ends, before any conversation of theirs.

    Their answers under way are counted over all conversations: of two messages at once, the lock of
    a conversation would let each count without the other.
    """
    User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)


def _held(conversation_id: UUID) -> Conversation:
    """Return the conversation, locked until the transaction ends.

    Raises:
        PageNotFound: it was deleted meanwhile.
    """
    conversations = Conversation.objects.select_for_update(of=("self",), no_key=True)
    found = conversations.filter(pk=conversation_id, deleted_at=None).first()
    if found is None:
        raise PageNotFound
    return found


def _check_may_run(user: User, conversation: Conversation) -> None:
    if not is_open_to(user, conversation.agent):
        raise AgentUnknown
    if active_run_of(conversation) is not None:
        raise AnswerUnderWay
    active = Run.objects.filter(conversation__user=user, status__in=Run.ACTIVE).count()
    if active >= MAX_ACTIVE_RUNS:
        raise Throttled(_("You have several answers under way. Wait for one of them, or stop one."))


def _queue_run(signin: SignIn, question: Message, *, agent: Agent) -> Run:
    """Store a run for `question`, with its answer still empty, and queue it after the commit.

    Raises:
        AttachmentRefused: something is attached to it that the agent does not take (any more).
    """
    attachments_check(question, agent=agent)
    answer = Message.objects.create(
        conversation_id=question.conversation_id, role=Message.Role.ASSISTANT
    )
    run = Run.objects.create(
        conversation_id=question.conversation_id,
        question=question,
        answer=answer,
        signin=signin,
        language=get_language() or "en",
    )

    def begin() -> None:
        try:
            stream.append_sync(run.pk, "status", {"status": Run.Status.QUEUED})
            queue.put(run.pk)
        except redis.RedisError as exc:
            # The executors look for queued runs that nobody took.
            failure = type(exc).__name__
            log.warning("run.not_queued", extra={"run": str(run.pk), "failure": failure})

    transaction.on_commit(begin)
    return run


def _title_from(text: str) -> str:
    """Return the first words of a message, as the conversation's name."""
    words = " ".join(text.split())
    if len(words) <= _TITLE_CHARS:
        return words
    return words[:_TITLE_CHARS].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
