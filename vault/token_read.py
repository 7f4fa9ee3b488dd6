"""Reading a resource token: the question that agents ask of the vault (design section 3, step 8).

The answer is the token, or the consent session that may lead to one. Who may act is asked of the
database each time; a refusal is on record, and so is a release, before it happens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db.models import Q
from django.utils import timezone

from agents.workload import VerifiedWorkload
from core import audit
from core.errors import AppError
from core.refreshing import ReconnectNeeded
from core.secret import Secret
from core.subject import Subject
from vault import grants, sessions
from vault.errors import (
    Disconnected,
    FlowNotSupported,
    ScopesNotGranted,
    SessionUnknown,
)
from vault.flows import consent
from vault.flows.consent import Wanted
from vault.models import ConsentSession
from vault.standing import Parties, admitted


@dataclass(frozen=True, slots=True)
class Waiting:
    """There is no token yet: a person has to consent."""

    session_uri: str
    authorization_url: Secret


def token_read(
    *,
    workload: VerifiedWorkload,
    provider_name: str,
    wanted: Wanted,
    session_uri: str | None,
    client: str,
) -> Secret | Waiting:
    """Return the access token with which `workload` acts for its person, or what it waits for.

    `session_uri` names the consent session that an earlier answer gave. `client` is the access key
    that asks, for the record.

    Raises:
        FlowNotSupported: the workload token names no person.
        Forbidden, ProviderUnknown: one of the parties may not act; see `standing.admitted`.
        SessionUnknown, ConsentEnded: the session does not exist for this caller, or led to nothing.
        ReturnUrlMissing, ReturnUrlNotAllowed: consent would have no page to end at.
        oauth.OAuthError, StillBusy, ProviderUnavailable: the token cannot be refreshed now.
        AuditUnavailable: nothing was released.
    """
    event = audit.Event(
        "vault.token.refused",
        outcome="refused",
        subject=workload.subject,
        workload=workload.workload_name,
        provider=provider_name,
        client=client,
        detail={"scopes": list(wanted.scopes)},
    )
    try:
        subject = _person(workload)
        parties = admitted(
            workload_id=workload.workload_id, subject=subject, provider=Q(name=provider_name)
        )
        if session_uri is not None:
            return _of_session(parties, wanted, _own_session(parties, session_uri), client)
        return _of_grant(parties, wanted, client)
    except audit.AuditUnavailable:
        raise
    except AppError as exc:
        audit.record(replace(event, reason=exc.code))
        raise


def _person(workload: VerifiedWorkload) -> Subject:
    if workload.subject is None:
        raise FlowNotSupported(
            "The workload access token names no person, whom USER_FEDERATION needs."
        )
    return workload.subject


def _own_session(parties: Parties, session_uri: str) -> ConsentSession:
    session = sessions.by_uri(session_uri)
    if (session.workload_identity_id, session.subject, session.provider_id) != (
        parties.workload.pk,
        parties.subject,
        parties.provider.pk,
    ):
        raise SessionUnknown(detail="it is another's")
    return session


def _of_grant(parties: Parties, wanted: Wanted, client: str) -> Secret | Waiting:
    if not wanted.forced:
        token = _released(parties, wanted, client)
        if token is not None:
            return token
    session = consent.begin(parties=parties, wanted=wanted, client=client)
    return _waiting(session)


def _of_session(
    parties: Parties, wanted: Wanted, session: ConsentSession, client: str
) -> Secret | Waiting:
    """Return what the consent session led to; a poll must end as soon as it cannot succeed."""
    if session.status == ConsentSession.Status.COMPLETED:
        if not set(wanted.scopes) <= set(session.granted_scopes):
            raise ScopesNotGranted(session)
        token = _released(parties, wanted, client)
        if token is None:
            raise Disconnected(session)
        return token
    if not session.forced:
        # The person may have consented in another card that asked for as much.
        token = _released(parties, wanted, client)
        if token is not None:
            return token
    if not session.is_open(at=timezone.now()):
        raise sessions.ended(session)
    return _waiting(session)


def _released(parties: Parties, wanted: Wanted, client: str) -> Secret | None:
    """Return the token of the live grant if it covers what is wanted; None: ask the person."""
    grant = grants.live(parties)
    if grant is None or not set(wanted.scopes) <= set(grant.scopes):
        return None
    try:
        return grants.token_release(
            grant=grant, parties=parties, session_id=wanted.runtime_session_id, client=client
        )
    except ReconnectNeeded:
        return None


def _waiting(session: ConsentSession) -> Waiting:
    return Waiting(session.request_uri(), Secret(session.authorization_url()))
