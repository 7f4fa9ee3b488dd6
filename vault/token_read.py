"""Reading a resource token: the question that agents ask of the vault.

The answer is the token, or the consent session that may lead to one. Who may act is asked of the
database each time; a refusal is on record, and so is a release, before it happens.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from django.db.models import Q
from django.utils import timezone

from agents import policies, workload
from agents.errors import ForeignWorkload
from agents.keys.callers import Caller
from agents.workload import VerifiedWorkload
from core import audit, database, reference
from core.errors import AppError
from core.refreshing import ReconnectNeeded
from core.secret import Secret
from core.subject import Subject
from vault.asked import authorize_params
from vault.asked.wanted import ResourceToken, Wanted
from vault.errors import FlowNotSupported, PersonMissing, SessionUnknown
from vault.flows import client_credentials, consent, on_behalf_of, sessions
from vault.flows.client_credentials import M2M
from vault.flows.errors import Disconnected, ScopesNotGranted
from vault.flows.on_behalf_of import ON_BEHALF_OF
from vault.grants import keeping
from vault.grants.release import Question, arelease
from vault.models import ConsentSession
from vault.resources import of_oauth2_provider
from vault.standing import Parties, admitted

_ACTION = "GetResourceOauth2Token"
USER_FEDERATION = "USER_FEDERATION"
FLOWS = (USER_FEDERATION, M2M, ON_BEHALF_OF)


@dataclass(frozen=True, slots=True)
class Waiting:
    """There is no token yet: a person has to consent."""

    session_uri: str
    authorization_url: Secret


def token_read(
    *,
    caller: Caller,
    unverified_token: Secret,
    flow: str,
    provider_name: str,
    wanted: Wanted,
    session_uri: str | None,
) -> ResourceToken | Waiting:
    """Return the access token with which a workload identity acts, by `flow`, or what it awaits.

    It and the person are named by the workload access token. `session_uri` names the consent
    session that an earlier answer gave.

    Raises:
        WorkloadTokenInvalid, ForeignWorkload: the workload token is none, or another's.
        ParameterReserved: a custom parameter could get more than the scopes say.
        FlowNotSupported: there is no such flow, or the token or the provider is not one for it.
        Forbidden, ProviderUnknown: one of the parties may not act; see `standing.admitted`.
        PolicyDenied: the provider's policy, or the vault's, denies it.
        SessionUnknown, ConsentEnded: the session does not exist for this caller, or led to nothing.
        ReturnUrlMissing, ReturnUrlNotAllowed: consent would have no page to end at.
        oauth.OAuthError, StillBusy, ProviderUnavailable: the token cannot be got or refreshed now.
        AuditUnavailable: nothing was released.
    """
    client = caller.access_key_id
    event = audit.Event(
        "vault.token.refused",
        provider=provider_name,
        client=client,
        detail={"scopes": list(wanted.scopes)},
    )
    # A refusal is on record before `named` forgets the call in whose course this is asked.
    with ExitStack() as named, audit.Attempt(event) as attempt:
        verified = workload.read(unverified_token.reveal())
        named.enter_context(reference.during(verified.invocation, verified.called_through))
        attempt.learn(subject=verified.subject, workload=verified.workload_name)
        subject = _acting_for(caller, verified, flow)
        authorize_params.check_callers(wanted.custom_parameters)
        parties = admitted(
            workload_id=verified.workload_id,
            subject=subject,
            provider=Q(name=provider_name),
            groups=verified.groups,
            chain=verified.chain,
        )
        attempt.learn(agent=parties.agent_id)
        policies.evaluate(
            action=_ACTION,
            resources=of_oauth2_provider(provider_name),
            principal=caller.principal,
        )
        wanted = replace(wanted, runtime_session_id=verified.session_id)
        if flow == M2M:
            return client_credentials.token_get(
                parties=parties, person=verified.subject, wanted=wanted, client=client
            )
        if flow == ON_BEHALF_OF:
            return on_behalf_of.token_get(
                parties=parties, user_token=verified.user_token, wanted=wanted, client=client
            )
        if session_uri is not None:
            session = _own_session(parties, wanted, session_uri)
            return _of_session(parties, wanted, session, client)
        return _of_grant(parties, wanted, client)


async def live_token(
    *, caller: Caller, unverified_token: Secret, flow: str, provider_name: str, wanted: Wanted
) -> ResourceToken | None:
    """Return the token of a live grant; None: there is more to do, which `token_read` does.

    It waits for nobody but the database, which it asks once, together with whoever else is asking.
    Of what is not released here nothing is told and nothing recorded.

    Raises:
        AuditUnavailable: nothing was released.
        SealBroken, KeyMissing: on record, after the release that came to nothing.
    """
    if flow != USER_FEDERATION or wanted.forced:
        return None
    try:
        verified = await database.here_or_on_thread(workload.read, unverified_token.reveal())
        subject = _acting_for(caller, verified, flow)
        authorize_params.check_callers(wanted.custom_parameters)
        await policies.aevaluate(
            action=_ACTION,
            resources=of_oauth2_provider(provider_name),
            principal=caller.principal,
        )
    except AppError:
        return None
    asked = Question(
        workload_id=verified.workload_id,
        subject=subject,
        groups=verified.groups,
        chain=verified.chain,
        provider_name=provider_name,
        scopes=wanted.scopes,
        target=wanted.target,
        session_id=verified.session_id,
        client=caller.access_key_id,
        good_for_s=keeping.LEEWAY_S,
    )
    with reference.during(verified.invocation, verified.called_through):
        return await arelease(asked)


def _acting_for(caller: Caller, verified: VerifiedWorkload, flow: str) -> Subject:
    """Return for whom this caller acts by this flow: a person, or the workload identity itself.

    A person whom the token names has to be one for whom it may act, also where the flow is M2M.
    """
    if not caller.may_act_as(verified.workload_name):
        raise ForeignWorkload("This access key may not act for that workload identity.")
    if flow not in FLOWS:
        raise FlowNotSupported(f"The flow {flow} is not supported here; use {' or '.join(FLOWS)}.")
    if verified.subject is not None:
        return verified.subject
    if flow == M2M:
        return Subject.of_workload(verified.workload_name)
    raise PersonMissing(f"{flow} needs a workload access token of a person.")


def _own_session(parties: Parties, wanted: Wanted, session_uri: str) -> ConsentSession:
    session = sessions.by_uri(session_uri)
    if (session.workload_identity_id, session.subject, session.provider_id) != (
        parties.workload.pk,
        parties.subject,
        parties.provider.pk,
    ):
        raise SessionUnknown(detail="it is another's")
    if session.target != wanted.target:
        raise SessionUnknown(detail="its token is to be used elsewhere")
    return session


def _of_grant(parties: Parties, wanted: Wanted, client: str) -> ResourceToken | Waiting:
    if not wanted.forced:
        token = _released(parties, wanted, client)
        if token is not None:
            return token
    session = consent.begin(parties=parties, wanted=wanted, client=client)
    return _waiting(session)


def _of_session(
    parties: Parties, wanted: Wanted, session: ConsentSession, client: str
) -> ResourceToken | Waiting:
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


def _released(parties: Parties, wanted: Wanted, client: str) -> ResourceToken | None:
    """Return the token of the live grant if it covers what is wanted; None: ask the person."""
    grant = keeping.live(parties, target=wanted.target)
    if grant is None or not set(wanted.scopes) <= set(grant.scopes):
        return None
    try:
        return keeping.token_release(
            grant=grant,
            parties=parties,
            scopes=wanted.scopes,
            session_id=wanted.runtime_session_id,
            client=client,
        )
    except ReconnectNeeded:
        return None


def _waiting(session: ConsentSession) -> Waiting:
    return Waiting(session.request_uri(), Secret(session.authorization_url()))
