"""Questions asked again in other words: each in a conversation that begins as the old one did.

Conversations that came of each other so are a family. Of each but the first, `branch_of` is the one
that has the question as it was asked first, and `branched_at` its place among the questions. These
are ids and no foreign keys: what is left of a family stays one when one of them is forgotten.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from portal.attachments import attachments_copy
from portal.models import Conversation, Message, Run
from portal.selectors import Spoken, thread_of


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one question: which a conversation has, of how many, and its neighbours."""

    number: int
    count: int
    before: Conversation | None
    after: Conversation | None


def versions_of(conversation: Conversation) -> dict[int, Versions]:
    """Return by their places the questions of `conversation` that there are several versions of.

    Deleted conversations are none of them.
    """
    if conversation.family is None:
        return {}
    family = {one.pk: one for one in _family_of(conversation)}
    found: dict[int, Versions] = {}
    for place in {one.branched_at for one in family.values() if one.branched_at is not None}:
        shown = _owner(family, conversation, place)
        if shown is None:
            continue
        first = _first(shown, place)
        all_ = [
            one
            for one in family.values()
            if one.pk == first or (one.branch_of, one.branched_at) == (first, place)
        ]
        at = all_.index(shown)
        if len(all_) > 1:
            around = [None, *all_, None]
            found[place] = Versions(at + 1, len(all_), around[at], around[at + 2])
    return found


def branch(conversation: Conversation, *, before: Message) -> Conversation:
    """Return a new conversation that has what was said in `conversation` before a question of it.

    The runtime session is a new one, so that the agent knows nothing of it but what it is sent. To
    be called with the conversation locked.
    """
    said = thread_of(conversation)
    until = next(at for at, spoken in enumerate(said) if spoken.message.pk == before.pk)
    place = sum(spoken.run is None for spoken in said[:until])
    if conversation.family is None:
        conversation.family = conversation.pk
        conversation.save(update_fields=["family"])
    family = {one.pk: one for one in _family_of(conversation)}
    owner = _owner(family, conversation, place) or conversation
    made = Conversation.objects.create(
        user_id=conversation.user_id,
        agent_id=conversation.agent_id,
        title=conversation.title,
        family=conversation.family,
        branch_of=_first(owner, place),
        branched_at=place,
    )
    _copy(said[:until], into=made)
    return made


def _family_of(conversation: Conversation) -> Iterable[Conversation]:
    return Conversation.objects.filter(
        user_id=conversation.user_id, family=conversation.family, deleted_at=None
    ).order_by("created_at", "pk")


def _owner(
    family: dict[UUID, Conversation], conversation: Conversation, place: int
) -> Conversation | None:
    """Return the one in which the question at `place` was asked; None: it is gone."""
    owner: Conversation | None = family.get(conversation.pk)
    while owner is not None and owner.branched_at is not None and place < owner.branched_at:
        owner = family.get(owner.branch_of) if owner.branch_of else None
    return owner


def _first(owner: Conversation, place: int) -> UUID:
    """Return the id of the conversation with the first version of `owner`'s question at `place`."""
    return owner.branch_of if owner.branch_of and owner.branched_at == place else owner.pk


def _copy(said: Iterable[Spoken], *, into: Conversation) -> None:
    """Put questions with their answers into another conversation, as they stand."""
    messages: list[Message] = []
    runs: list[Run] = []
    questions: list[tuple[Message, Message]] = []
    question: Message | None = None
    for spoken in said:
        old = spoken.message
        new = Message(
            conversation=into,
            role=old.role,
            text=old.text,
            parts=old.parts,
            client_key=uuid.uuid4() if spoken.run is None else None,
            created_at=old.created_at,
        )
        messages.append(new)
        if spoken.run is None:
            question = new
            questions.append((old, new))
        elif question is not None:
            runs.append(_copied(spoken.run, question=question, answer=new))
    Message.objects.bulk_create(messages)
    attachments_copy(questions)
    Run.objects.bulk_create(runs)


def _copied(run: Run, *, question: Message, answer: Message) -> Run:
    return Run(
        conversation=question.conversation,
        question=question,
        answer=answer,
        language=run.language,
        status=run.status,
        code=run.code,
        notice=run.notice,
        reference=run.reference,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )
