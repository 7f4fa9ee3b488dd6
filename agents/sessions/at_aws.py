"""A session of an agent on AWS has another one at AWS, which is ended with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.utils.translation import gettext_lazy as _

from agents.aws import calls, places, sessions
from agents.aws.calls import NoPersonsToken
from agents.aws.errors import AwsRefused
from agents.aws.places import Place
from agents.models import Agent, RuntimeSession
from core import audit, database
from core.audit import Actor
from core.errors import UpstreamFailed
from core.secret import Secret

TokenOf = Callable[[], Secret | None]


class StillAtAws(UpstreamFailed):
    """The session is over here, and at AWS it is not ended; trying again may end it there."""

    code = "session_still_at_aws"
    message = _(
        "The session was stopped here, but not at AWS, where it goes on until it has been idle for "
        "long enough."
    )


def nobodys() -> None:
    """Return no token: whoever stops the session is not whose it is."""


def stop_at_aws(
    session: RuntimeSession, *, token_of: TokenOf, actor: Actor, client: str = ""
) -> None:
    """End at AWS what belongs to a session, if its agent runs there: on record first.

    `token_of` is asked for a token of whose session it is, where the runtime is called with one.
    Keeps no connection to the database while AWS is asked.

    Raises:
        StillAtAws: it was not ended there.
        AuditUnavailable: it cannot be put on record; nothing was sent.
        AppError: what `token_of` raises; nothing was sent.
    """
    found = _place_of(session)
    if found is None:
        return
    place, called_with = found
    event = audit.Event(
        "agent.session.stopped_at_aws",
        subject=session.owner,
        actor=actor.name,
        agent=session.agent_id,
        client=client,
        detail={"session": session.session_id, "region": place.region},
    )
    user_token = token_of() if called_with == places.BEARER else None
    audit.record(event)
    database.let_go()
    try:
        sessions.stop(
            place,
            called_with=called_with,
            session_id=calls.session_id_of(session.session_id, session.owner),
            user_token=user_token,
        )
    except (NoPersonsToken, AwsRefused) as exc:
        audit.record(replace(event, outcome="failed", reason=exc.code))
        raise StillAtAws(detail=exc.detail or exc.code) from None


def _place_of(session: RuntimeSession) -> tuple[Place, str] | None:
    """Return where at AWS the session's endpoint is served, and how it is called; None: nowhere."""
    agent = Agent.objects.filter(agent_id=session.agent_id).first()
    if agent is None:
        return None
    endpoint = agent.endpoints.select_related("version").filter(name=session.endpoint).first()
    pinned = endpoint.version if endpoint else None
    version = pinned or agent.versions.order_by("-number").first()
    place = places.place_at(version.url) if version else None
    return (place, version.called_with) if version and place else None
