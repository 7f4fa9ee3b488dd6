"""A person comes back from a consent that AWS's identity service holds for an agent there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from agents.aws import consents, places
from agents.aws.errors import AwsRefused
from agents.selectors import agents_usable_by
from core import audit
from core.crypto import KeyMissing, SealBroken
from core.errors import AppError, Forbidden
from core.secret import Secret
from core.subject import Subject
from portal.models import ConsentAtAws, SignIn
from portal.runs.consents_at_aws import at_aws, consent_move, event_of
from portal.signins import access_token_for
from vault.errors import ProviderUnavailable, SessionUnknown
from vault.flows.authorization import hashed

_State = ConsentAtAws.State
_GONE = 410


class ConsentAtAwsEnded(Forbidden):
    """A consent at AWS was not completed; `outcome` is that of the page."""

    outcome = "failed"

    def __init__(self, consent: ConsentAtAws, *, detail: str = "") -> None:
        super().__init__(detail=detail)
        self.consent = consent


class LinkOfAnother(ConsentAtAwsEnded):
    """The link stood in the chat of somebody else."""

    code = "consent_wrong_person"
    outcome = "wrong_person"


class LinkUsed(ConsentAtAwsEnded):
    """It was used before, or is being used in another tab."""

    code = "consent_used"
    outcome = "used"
    status = _GONE


class LinkExpired(ConsentAtAwsEnded):
    """Ten minutes went by."""

    code = "consent_expired"
    outcome = "expired"
    status = _GONE


class LinkClosed(ConsentAtAwsEnded):
    """The answer that needed it is over: stopped, or broken off."""

    code = "consent_withdrawn"
    outcome = "withdrawn"
    status = _GONE


class AgentMoved(ConsentAtAwsEnded):
    """The agent is off, not open to the person any more, or called otherwise since."""

    code = "consent_agent_closed"
    outcome = "closed"


class RefusedAtAws(ConsentAtAwsEnded):
    """AWS knows no such consent of this person's, or it is over there."""

    code = "consent_refused_at_aws"


def complete(*, session_uri: str, signin: SignIn) -> ConsentAtAws:
    """Return the consent, which is complete at AWS: the signed-in person is who was asked.

    It is one whose link stood in an answer to this very person, who still may use the agent, and
    whom AWS is told of once. That is on record before anything is sent. Whoever else comes back
    with the link ends it, since the account that they connected is not the asked person's.

    Raises:
        SessionUnknown: no such link stood in any answer.
        ConsentAtAwsEnded: it is another's, was used, has ended, or AWS refuses it.
        ProviderUnavailable: AWS does not answer now; the link stays good.
        SignInExpired, ProviderAway: there is no token of theirs.
        AuditUnavailable: it cannot be put on record; nothing was sent.
    """
    consent = _of(session_uri)
    subject = signin.user.subject
    event = replace(event_of(consent, "agent.consent_at_aws"), subject=subject)
    try:
        _check(consent, subject, at=timezone.now())
        _check_agent(consent, signin)
        token = _token_for(consent, signin)
        told_by = "token" if token else "id"
        event = replace(event, detail={**event.detail, "told_by": told_by})
        _claim(consent, event)
    except ConsentAtAwsEnded as exc:
        audit.record(event.refused(exc))
        raise
    refused = consents.complete(
        region=consent.region, session_uri=session_uri, subject=subject, user_token=token
    )
    if refused is not None:
        raise _refusal(consent, event, refused, session_uri=session_uri)
    consent_move(consent, was=_State.COMPLETING, to=_State.GRANTED)
    return consent


def _of(session_uri: str) -> ConsentAtAws:
    found = (
        ConsentAtAws.objects.select_related(
            "run__conversation__user",
            "run__conversation__agent",
        )
        .filter(session_uri_hash=hashed(session_uri))
        .first()
    )
    if found is None or not consents.is_session(session_uri):
        raise SessionUnknown(detail="neither this site's nor of any answer")
    return found


def _check(consent: ConsentAtAws, subject: Subject, *, at: datetime) -> None:
    """Raise ConsentAtAwsEnded unless the consent waits, and for this person."""
    if subject != consent.owner:
        consent_move(consent, was=_State.PENDING, to=_State.FAILED)
        raise LinkOfAnother(consent)
    if consent.state == _State.EXPIRED or (
        consent.state == _State.PENDING and consent.expires_at <= at
    ):
        raise LinkExpired(consent)
    if consent.state == _State.CLOSED:
        raise LinkClosed(consent)
    if consent.state != _State.PENDING:
        raise LinkUsed(consent, detail=consent.state)
    if not consent.run.is_active:
        raise LinkClosed(consent, detail=consent.run.status)


def _claim(consent: ConsentAtAws, event: audit.Event) -> None:
    """Let this call be the one that completes the consent, on record. Raises LinkUsed."""
    with transaction.atomic():
        if consent_move(consent, was=_State.PENDING, to=_State.COMPLETING):
            audit.record(event)
            return
    raise LinkUsed(consent, detail="in another tab")


def _check_agent(consent: ConsentAtAws, signin: SignIn) -> None:
    """Raise AgentMoved unless the agent is one of the person's still, and called as it was."""
    agent = consent.run.conversation.agent
    if not agents_usable_by(signin.user).filter(pk=agent.pk, enabled=True).exists():
        raise AgentMoved(consent, detail="not open to the person")
    now = at_aws(agent)
    if now is None or (now.region, now.called_with) != (consent.region, consent.called_with):
        raise AgentMoved(consent, detail="called otherwise")


def _token_for(consent: ConsentAtAws, signin: SignIn) -> Secret | None:
    """Return the token by which AWS knows the person; None: it knows them by an id.

    AWS may hold to the very token with which the agent was called, so that is kept for as long as
    the consent is open. Without it, which a sign-out forgets, theirs of now may do.
    """
    if consent.called_with != places.BEARER:
        return None
    try:
        return consent.token() or access_token_for(signin)
    except (SealBroken, KeyMissing):
        return access_token_for(signin)


def _refusal(
    consent: ConsentAtAws, event: audit.Event, refused: AwsRefused, *, session_uri: str
) -> AppError:
    """Settle the consent as AWS's refusal says, and return what the person is told."""
    audit.record(event.refused(refused))
    if refused.passes:
        # Nobody changed anything: the person may try again.
        consent_move(consent, was=_State.COMPLETING, to=_State.PENDING, session_uri=session_uri)
        return ProviderUnavailable(detail=refused.because)
    consent_move(consent, was=_State.COMPLETING, to=_State.FAILED)
    return RefusedAtAws(consent, detail=refused.because)
