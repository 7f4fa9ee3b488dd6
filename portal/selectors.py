"""What a person may see of the chat: fetched and authorised in one query each."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db.models import (
    Exists,
    F,
    Func,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.functions import Cast

from agents.models import Agent, AgentVersion
from agents.selectors import agents_usable_by
from core import identity_providers, jose
from core.identity_providers import IdentityProvider
from core.models import User
from portal.errors import AgentForPrograms, PageNotFound
from portal.models import Conversation, Feedback, Message, Run

_LISTED = 200
_MAX_WORDS = 10
_SAID = Message.objects.filter(conversation=OuterRef("pk"))
# A chat is words, and what an agent tells of its tools. The other protocols are for programs.
FOR_CHAT = (AgentVersion.Protocol.HTTP, AgentVersion.Protocol.AGUI)


def agent_for(user: User, *, agent_id: str) -> Agent:
    """Return an agent that `user` may begin a conversation with.

    Raises:
        AgentForPrograms: they may use it, but not in a chat.
        PageNotFound: there is none, or it is not for them.
    """
    agent = agents_for(user).filter(agent_id=agent_id).first()
    if agent is None:
        raise _no_chat_with(agents_usable_by(user).filter(agent_id=agent_id, enabled=True).first())
    return agent


def _no_chat_with(agent: Agent | None) -> PageNotFound:
    version = agent.versions.order_by("-number").first() if agent else None
    if agent is None or version is None:
        return PageNotFound()
    url = f"{settings.SITE_URL}/runtimes/{quote(agent.arn, safe='')}/invocations"
    protocol = str(version.get_protocol_display())
    return AgentForPrograms(name=agent.display_name, protocol=protocol, url=url)


def agents_for(user: User) -> QuerySet[Agent]:
    """Return the agents that `user` may begin a conversation with.

    Those that are called with access keys are for other programs, whoever may use them, and so are
    those of a protocol that no person speaks, or that take tokens of other clients than this site.
    """
    found = _spoken_to(agents_usable_by(user), user).filter(enabled=True)
    return found.order_by("display_name", "pk")


def _spoken_to(agents: QuerySet[Agent], user: User) -> QuerySet[Agent]:
    """Return those of `agents` whose newest version takes the token of `user`, and words.

    Where it lists clients, this site is one of them. One that asks for tokens of another identity
    provider of this site is for the people of that one. Whether the token has an audience or a
    scope that it asks for is seen at the call alone.
    """
    newest = AgentVersion.objects.filter(agent=OuterRef("pk")).order_by("-number")
    found = agents.annotate(
        auth_mode=Subquery(newest.values("auth_mode")[:1]),
        protocol=Subquery(newest.values("protocol")[:1]),
        clients=Subquery(newest.values("allowed_clients")[:1]),
        issuer_at=Subquery(newest.values("discovery_url")[:1]),
    )
    own = identity_providers.of_issuer(user.iss)
    if own is None:
        return found.none()
    this_site = Q(clients=[]) | Q(clients__contains=[own.client_id])
    found = found.exclude(issuer_at__in=places_of_others(own))
    return found.filter(this_site, auth_mode=AgentVersion.AuthMode.JWT, protocol__in=FOR_CHAT)


def places_of_others(own: IdentityProvider) -> list[str]:
    """Return the discovery URLs of this site's identity providers other than `own`."""
    others = (one for one in identity_providers.every() if one.issuer != own.issuer)
    return [url for one in others for url in jose.discovery_urls_of(one.issuer)]


def begun_by(user: User) -> QuerySet[Conversation]:
    """Return the conversations of `user` in which something was said, also those they deleted."""
    return Conversation.objects.filter(Exists(_SAID), user=user)


def kept_in(user: User, *, sessions: Collection[str]) -> QuerySet[Conversation]:
    """Return the conversations of `user` with these runtime sessions, but for those they deleted.

    Nobody else's is among them, whatever session a caller named.
    """
    return Conversation.objects.filter(user=user, runtime_session_id__in=sessions, deleted_at=None)


def conversations_of(user: User, *, words: str = "") -> QuerySet[Conversation]:
    """Return the conversations of `user` in which something was said: pinned ones, then the newest.

    With `words`, those alone that have each of them in the title, in the agent's name, or in what
    either side said; upper and lower case are the same.
    """
    found = begun_by(user).filter(deleted_at=None)
    for word in words.split()[:_MAX_WORDS]:
        spoken = _SAID.alias(heard=_words_of_parts()).filter(
            Q(text__icontains=word) | Q(heard__icontains=_as_in_json(word))
        )
        found = found.filter(
            Q(title__icontains=word) | Q(agent__display_name__icontains=word) | Exists(spoken)
        )
    pinned_first = F("pinned_at").desc(nulls_last=True)
    return found.select_related("agent").order_by(pinned_first, "-updated_at")[:_LISTED]


def _as_in_json(word: str) -> str:
    """Return a word as it stands within a string of JSON."""
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _words_of_parts() -> Func:
    """Return what an agent said in a message, as a text; its tools' names and states are not it."""
    texts = Func(
        F("parts"),
        Value('$[*] ? (@.kind == "text").text'),
        function="jsonb_path_query_array",
        template="%(function)s(%(expressions)s::jsonpath)",
        output_field=JSONField(),
    )
    return Cast(texts, TextField())


def conversation_of(user: User, *, conversation_id: UUID, deleted: bool = False) -> Conversation:
    """Return a conversation of `user`, or one that they deleted and that is not forgotten yet.

    Raises:
        PageNotFound: there is none, or it is not theirs.
    """
    found = (
        Conversation.objects.select_related("agent")
        .filter(user=user, pk=conversation_id, deleted_at__isnull=not deleted)
        .first()
    )
    if found is None:
        raise PageNotFound
    return found


def question_of(user: User, *, message_id: UUID) -> Message:
    """Return a message that `user` wrote. Raises PageNotFound: there is none of theirs."""
    found = Message.objects.filter(
        conversation__user=user,
        conversation__deleted_at=None,
        role=Message.Role.USER,
        pk=message_id,
    ).first()
    if found is None:
        raise PageNotFound
    return found


def run_of(user: User, *, run_id: UUID) -> Run:
    """Return a run of `user`. Raises PageNotFound: there is none, or it is not theirs."""
    found = (
        Run.objects.select_related("conversation__agent", "answer", "question")
        .filter(conversation__user=user, conversation__deleted_at=None, pk=run_id)
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

    @property
    def feedback(self) -> Feedback | None:
        """Return what the person thinks of it, if they said so."""
        return getattr(self.run, "feedback", None)


def thread_of(conversation: Conversation) -> list[Spoken]:
    """Return the messages, oldest first; of answers to the same question the newest alone."""
    newest: dict[UUID, Run] = {}
    runs = conversation.runs.select_related("answer", "question", "feedback").order_by("created_at")
    for run in runs:
        newest[run.question_id] = run
    thread: list[Spoken] = []
    asked = conversation.messages.filter(role=Message.Role.USER)
    for message in asked.prefetch_related("attachments").order_by("created_at"):
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
    return _spoken_to(agents_usable_by(user).filter(pk=agent.pk), user).exists()
