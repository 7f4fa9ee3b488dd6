"""A person's consent, from the moment an agent needs it to the grant.

    begin      an agent asks; the site shows the person a card with the link
    go         the person opens the link; off to the provider
    come_back  the provider's answer; the code becomes tokens, which are nobody's yet
    complete   proof of who consented; only now is there a grant
    decline    the person says no at this site, without going anywhere

A step that fails ends the session, and tokens that were got already are revoked.
"""

from __future__ import annotations

from datetime import timedelta
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core import audit, oauth
from core.errors import AppError
from core.models import User
from core.secret import Secret
from core.subject import Subject
from vault.asked import scopes
from vault.asked.wanted import Wanted
from vault.ending import revocations
from vault.errors import AudienceFixed, SessionBusy, SessionUnknown
from vault.flows import return_urls, sessions
from vault.flows.authorization import Answer, exchange, hashed, is_from, request_for
from vault.flows.errors import (
    ConsentDenied,
    ConsentFailed,
    ConsentUsed,
    ConsentWithdrawn,
    WrongBrowser,
    WrongPerson,
)
from vault.grants import keeping
from vault.models import ConsentSession
from vault.providers.endpoints import endpoints_of
from vault.standing import Parties, admitted

LIFETIME = timedelta(minutes=10)
MAX_EARLY = 3
_URN = "urn:ietf:params:oauth:request_uri:"

Status = ConsentSession.Status


def begin(*, parties: Parties, wanted: Wanted, client: str) -> ConsentSession:
    """Return a session that asks for what is wanted and for what was granted before.

    One that already asks for it, of the same runtime session, is returned instead: an agent that
    tries again does not make a second card. Either is announced. Where too many are open, the
    oldest one ends.

    Raises:
        ReturnUrlMissing, ReturnUrlNotAllowed: consent has no page to end at.
        AudienceFixed: the vendor has another audience, or an admin wrote one into the provider.
    """
    return_url = return_urls.check(wanted.return_url, workload=parties.workload)
    _check_audiences(parties, wanted)
    with transaction.atomic():
        parties.hold()
        live = keeping.live(parties, target=wanted.target)
        asked = sorted({*wanted.scopes, *(live.scopes if live is not None else ())})
        session = _open_one(parties, wanted, asked, return_url)
        if session is None:
            sessions.make_room(parties)
            session = _create(parties, wanted, asked, return_url)
            audit.record(_event("vault.consent.begun", session, client=client))
        sessions.announce(session, chain=parties.chain)
    return session


def _check_audiences(parties: Parties, wanted: Wanted) -> None:
    provider = parties.provider
    fixed = {**provider.traits.authorize, **provider.extra_authorize_params}.get("audience")
    if fixed and wanted.audiences and wanted.audiences != (fixed,):
        raise AudienceFixed.at(provider.name, fixed)


# The link of one that was exchanged leads nowhere any more: what should have completed it did not.
_ASKED_AGAIN = frozenset(ConsentSession.OPEN) - {ConsentSession.Status.EXCHANGED}


def _open_one(
    parties: Parties, wanted: Wanted, asked: list[str], return_url: str
) -> ConsentSession | None:
    candidates = ConsentSession.objects.with_parties().filter(
        **parties.columns,
        status__in=_ASKED_AGAIN,
        expires_at__gt=timezone.now(),
        scopes__contains=asked,
        resources=list(wanted.resources),
        audiences=list(wanted.audiences),
        return_url=return_url,
        forced=wanted.forced,
        runtime_session_id=wanted.runtime_session_id,
    )
    given = (wanted.custom_state, wanted.custom_parameters)
    for candidate in candidates:
        if (candidate.custom_state(), candidate.custom_parameters()) == given:
            return candidate
    return None


def _create(parties: Parties, wanted: Wanted, asked: list[str], return_url: str) -> ConsentSession:
    request_uri = Secret(_URN + token_urlsafe(32))
    session = ConsentSession(
        request_uri_hash=hashed(request_uri.reveal()),
        **parties.columns,
        scopes=asked,
        resources=list(wanted.resources),
        audiences=list(wanted.audiences),
        return_url=return_url,
        forced=wanted.forced,
        runtime_session_id=wanted.runtime_session_id,
        expires_at=timezone.now() + LIFETIME,
    )
    session.request_uri_sealed = session.sealed("request_uri_sealed", request_uri) or b""
    session.custom_state_sealed = session.sealed("custom_state_sealed", wanted.custom_state)
    session.seal_custom_parameters(wanted.custom_parameters)
    session.save(force_insert=True)
    return session


def check_person(session: ConsentSession, person: Subject) -> None:
    """Refuse anybody but the person who was asked. The refusal is on record; nothing else changes.

    Raises:
        WrongPerson: somebody else opened the link.
    """
    if person != session.subject:
        audit.record(
            _event("vault.consent.refused", session, reason=WrongPerson.code, **_by(person))
        )
        raise WrongPerson(session)


def go(*, session: ConsentSession, browser: Secret) -> Secret:
    """Return the URL at the provider to which the person's browser goes.

    The link may be opened again until the provider has answered; each time makes a new state, and
    the one before is worth nothing. `browser` is what the answer has to come back with.

    Raises:
        ConsentEnded: the session is over, or further on.
        Forbidden: one of the parties was switched off since.
        ProviderUnavailable, ProviderMetadataWrong: the provider cannot be asked now.
    """
    _check_standing(session)
    request = request_for(session, endpoints_of(session.provider))
    if not sessions.move(
        session,
        Status.AUTHORIZING,
        state_hash=request.state_hash,
        browser_hash=hashed(browser.reveal()),
        verifier_sealed=session.sealed("verifier_sealed", request.verifier),
    ):
        raise sessions.ended(sessions.by_id(session.pk))
    return request.url


def come_back(*, session: ConsentSession, answer: Answer, browser: Secret | None) -> str:
    """Return where the browser goes next, the provider's answer being turned into tokens.

    `session` is the one whose state `answer` carries. The state is used up before the code is.

    Raises:
        ConsentEnded: it was used before, came too late or in another browser, the person denied, or
            the provider failed. Of these, the last two end the session.
        ProviderUnavailable, ProviderMetadataWrong: nothing is used up; the page may be reloaded.
    """
    if browser is None or not compare_digest(hashed(browser.reveal()), session.browser_hash):
        audit.record(_event("vault.consent.refused", session, reason=WrongBrowser.code))
        raise WrongBrowser(session)
    if session.status != Status.AUTHORIZING or not session.is_open(at=timezone.now()):
        raise sessions.ended(session)
    waited_for = Q(status=Status.AUTHORIZING, state_hash=answer.state_hash)
    try:
        _check_standing(session)
    except AppError as exc:
        raise _failed(session, reason=exc.code, where=waited_for) from exc
    endpoints = endpoints_of(session.provider)
    if not is_from(answer, endpoints):
        raise _failed(session, reason="issuer_mismatch", where=waited_for)
    if answer.code is None:
        raise _refused_there(session, answer, where=waited_for)
    if not sessions.move(session, Status.EXCHANGING, where=waited_for):
        raise sessions.ended(sessions.by_id(session.pk))
    try:
        tokens = exchange(session, answer.code, endpoints)
    except AppError as exc:
        words = _words(exc.error, exc.description) if isinstance(exc, oauth.OAuthError) else ""
        during = Q(status=Status.EXCHANGING)
        raise _failed(session, reason=exc.code, words=words, where=during) from exc
    _keep(session, tokens)
    return return_urls.with_answer(
        session.return_url, session_uri=session.request_uri(), custom_state=session.custom_state()
    )


def _keep(session: ConsentSession, tokens: oauth.Tokens) -> None:
    expires_at = None
    if tokens.expires_in_s is not None:
        expires_at = timezone.now() + timedelta(seconds=tokens.expires_in_s)
    if not sessions.move(
        session,
        Status.EXCHANGED,
        access_sealed=session.sealed("access_sealed", tokens.access),
        refresh_sealed=session.sealed("refresh_sealed", tokens.refresh),
        access_expires_at=expires_at,
        granted_scopes=scopes.granted(tokens.scope, asked=session.scopes),
    ):
        revocations.attempt(revocations.queue(session, tokens.access, tokens.refresh))
        raise sessions.ended(sessions.by_id(session.pk))


def _refused_there(session: ConsentSession, answer: Answer, *, where: Q) -> AppError:
    """Return the refusal for an error response (RFC 6749 section 4.1.2.1)."""
    words = _words(answer.error, answer.error_description)
    if answer.error != "access_denied":
        return _failed(session, reason="provider_error", words=words, where=where)
    if not sessions.fail(session, Status.DENIED, reason="access_denied", words=words, where=where):
        return sessions.ended(sessions.by_id(session.pk))
    return ConsentDenied(session)


def _failed(session: ConsentSession, *, reason: str, words: str = "", where: Q) -> AppError:
    if not sessions.fail(session, Status.FAILED, reason=reason, words=words, where=where):
        return sessions.ended(sessions.by_id(session.pk))
    return ConsentFailed(session, detail=reason)


def complete_here(*, session_uri: str, subject: Subject) -> ConsentSession:
    """Return the completed session, `subject` being signed in at this site's own return page.

    Whoever completed it may open the page again: for as long as they are connected, it says so.

    Raises:
        SessionUnknown: there is none, or its consent ends at another page.
        As `complete`.
    """
    session = sessions.by_uri(session_uri)
    if session.return_url != return_urls.own():
        raise SessionUnknown(detail="it returns elsewhere")
    try:
        return complete(session=session, subject=subject, client="")
    except ConsentUsed as exc:
        # Only the person who was asked comes this far.
        if not sessions.is_connected(exc.session):
            raise
        return exc.session


def complete(*, session: ConsentSession, subject: Subject, client: str) -> ConsentSession:
    """Return the completed session: its tokens are now the grant of `subject`, who was asked.

    Anybody else is refused, and that burns the session: whoever consented is not who asked, so the
    tokens are revoked and nobody gets them.

    Raises:
        SessionBusy: nobody has consented yet. The third time this ends the session.
        WrongPerson: `subject` is not who was asked.
        ConsentEnded: it was completed before, or ended otherwise.
        Forbidden: one of the parties was switched off since.
    """
    if subject != session.subject:
        burnt = sessions.fail(
            session,
            Status.FAILED,
            reason=WrongPerson.code,
            where=Q(status=Status.EXCHANGED),
        )
        audit.record(
            _event(
                "vault.consent.refused",
                session,
                reason=WrongPerson.code,
                client=client,
                burnt=burnt,
                **_by(subject),
            )
        )
        raise WrongPerson(session)
    if not session.is_open(at=timezone.now()):
        raise sessions.ended(session)
    if session.status != Status.EXCHANGED:
        raise _too_early(session)
    parties = _check_standing(session)
    with transaction.atomic():
        parties.hold()
        held = sessions.by_id(session.pk, lock=True)
        tokens = _tokens_of(held) if held.status == Status.EXCHANGED else None
        if tokens is not None and sessions.move(
            held, Status.COMPLETED, access_sealed=None, refresh_sealed=None
        ):
            grant = keeping.grant_store(
                parties=parties,
                tokens=tokens,
                scopes=held.granted_scopes,
                resources=held.resources,
                audiences=held.audiences,
            )
            audit.record(
                _event("vault.consent.completed", held, client=client, grant=str(grant.pk))
            )
            return held
    raise sessions.ended(held)


def _too_early(session: ConsentSession) -> AppError:
    """Return the refusal of a completion before the consent; a few of them end the session.

    Whoever was asked could otherwise send the link to somebody else, and call until that one has
    consented: before their browser can say who they are.
    """
    rows = ConsentSession.objects.filter(pk=session.pk)
    rows.update(early_completions=F("early_completions") + 1)
    not_yet = Q(early_completions__gte=MAX_EARLY) & ~Q(status=Status.EXCHANGED)
    if rows.filter(not_yet).exists():
        return _failed(session, reason="completed_too_early", where=not_yet)
    return SessionBusy()


def _tokens_of(session: ConsentSession) -> oauth.Tokens:
    access, refresh = session.tokens()
    left_s = None
    if session.access_expires_at is not None:
        left_s = max(int((session.access_expires_at - timezone.now()).total_seconds()), 0)
    return oauth.Tokens(access, refresh, id_token=None, expires_in_s=left_s, scope=None)


def withdraw(*, session_id: UUID, subject: Subject) -> bool:
    """End a request that `subject` does not want to answer any more; say whether this call did.

    Its link opens nothing from now on, and tokens that were got already are revoked. It is on
    record. What is somebody else's, or over, stays as it is.
    """
    theirs = ConsentSession.objects.of(subject)
    session = theirs.filter(pk=session_id, status__in=ConsentSession.OPEN).first()
    return session is not None and sessions.fail(
        session, Status.FAILED, reason=ConsentWithdrawn.code
    )


def decline(*, session_id: UUID, subject: Subject) -> None:
    """End, at their word, a request that `subject` was asked. Who asked learns it as a denial.

    Its link leads nowhere from then on, also where it is open at the provider. To decline again
    what was declined changes nothing.

    Raises:
        SessionUnknown: this person was asked no such thing.
        ConsentEnded: it is over otherwise, or the provider has answered.
    """
    session = ConsentSession.objects.of(subject).with_parties().filter(pk=session_id).first()
    if session is None:
        raise SessionUnknown
    waits = Q(status__in=sessions.WAITING)
    if not sessions.fail(session, Status.DENIED, reason="declined", where=waits):
        stands = sessions.by_id(session.pk)
        if stands.status != Status.DENIED:
            raise sessions.ended(stands)


def _check_standing(session: ConsentSession) -> Parties:
    return admitted(
        workload_id=session.workload_identity_id,
        subject=session.subject,
        provider=Q(pk=session.provider_id),
    )


def _words(error: str, description: str) -> str:
    return f"{error}: {description}" if error and description else error or description


def _by(person: Subject) -> dict[str, Any]:
    """Return who did it, for `_event`: by name, to read, and by `(iss, sub)`, which says who."""
    known = User.objects.filter(iss=person.iss, sub=person.sub).first()
    name = known.display_name if known else person.sub
    return {"actor": name, "by": {"iss": person.iss, "sub": person.sub}}


def _event(
    action: str,
    session: ConsentSession,
    *,
    reason: str = "",
    actor: str = "",
    client: str = "",
    **detail: object,
) -> audit.Event:
    return audit.Event(
        action,
        outcome="refused" if reason else "allowed",
        reason=reason,
        subject=session.subject,
        actor=actor,
        agent=session.workload_identity.agent_id,
        workload=session.workload_identity.name,
        provider=session.provider.name,
        client=client,
        detail={"consent": str(session.pk), "scopes": session.scopes, **detail},
    )
