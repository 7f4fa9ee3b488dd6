"""What a person may see of the chat: fetched and authorised in one query each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from agents.models import Agent, AgentVersion
from agents.selectors import agents_usable_by
from core.models import User
from portal.errors import PageNotFound
from portal.models import Conversation, Message, Run

_LISTED = 200
# A chat is words, and what an agent tells of its tools. The other protocols are for programs.
FOR_CHAT = (AgentVersion.Protocol.HTTP, AgentVersion.Protocol.AGUI)


def agent_for(user: User, *, agent_id: str) -> Agent:
    """Return an agent that `user` may begin a conversation with. Raises PageNotFound."""
    agent = agents_for(user).filter(agent_id=agent_id).first()
    if agent is None:
        raise PageNotFound
    return agent


def agents_for(user: User) -> QuerySet[Agent]:
    """Return the agents that `user` may begin a conversation with.

    Those that are called with access keys are for other programs, whoever may use them, and so are
    those of a protocol that no person speaks.
    """
    found = _spoken_to(agents_usable_by(user)).filter(enabled=True)
    return found.order_by("display_name", "pk")


def _spoken_to(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    """Return those of `agents` whose newest version takes a person's token, and words."""
    newest = AgentVersion.objects.filter(agent=OuterRef("pk")).order_by("-number")
    found = agents.annotate(
        auth_mode=Subquery(newest.values("auth_mode")[:1]),
        protocol=Subquery(newest.values("protocol")[:1]),
    )
    return found.filter(auth_mode=AgentVersion.AuthMode.JWT, protocol__in=FOR_CHAT)


def conversations_of(user: User) -> QuerySet[Conversation]:
    """Return the newest conversations of `user` in which something was said."""
    said = Message.objects.filter(conversation=OuterRef("pk"))
    return (
        Conversation.objects.filter(Exists(said), user=user)
        .select_related("agent")
        .order_by("-updated_at")[:_LISTED]
    )


def conversation_of(user: User, *, conversation_id: UUID) -> Conversation:
    """Return a conversation of `user`. Raises PageNotFound: there is none, or it is not theirs."""
    found = (
        Conversation.objects.select_related("agent").filter(user=user, pk=conversation_id).first()
    )
    if found is None:
        raise PageNotFound
    return found


def run_of(user: User, *, run_id: UUID) -> Run:
    """Return a run of `user`. Raises PageNotFound: there is none, or it is not theirs."""
    found = (
        Run.objects.select_related("conversation__agent", "answer", "question")
        .filter(conversation__user=user, pk=run_id)
        .first()
    )
    if found is None:
        raise PageNotFound
    return found


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message of a conversation, an answer with the run that made it."""

    message: Message
    run: Run | None


def thread_of(conversation: Conversation) -> list[Spoken]:
    """Return the messages, oldest first; of answers to the same question the newest alone."""
    newest: dict[UUID, Run] = {}
    runs = conversation.runs.select_related("answer", "question").order_by("created_at")
    for run in runs:
        newest[run.question_id] = run
    thread: list[Spoken] = []
    for message in conversation.messages.filter(role=Message.Role.USER).order_by("created_at"):
        thread.append(Spoken(message, None))
        answering = newest.get(message.pk)
        if answering is not None:
            thread.append(Spoken(answering.answer, answering))
    return thread


def active_run_of(conversation: Conversation) -> Run | None:
    """Return the run that goes on in the conversation, or None."""
    return conversation.runs.filter(status__in=Run.ACTIVE).first()


def is_open_to(user: User, agent: Agent) -> bool:
    """Say whether `user` may talk to `agent`, were it switched on."""
    return _spoken_to(agents_usable_by(user).filter(pk=agent.pk)).exists()
