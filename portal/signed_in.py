"""Where a person is signed in: looked at, and ended from elsewhere.

What is ended opens nothing with the next request, in every process, and an open stream ends before
it tells anything more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from core.audit import Actor
from core.errors import AppError
from core.models import User
from core.secret import Secret
from portal import browsers
from portal.errors import PageNotFound
from portal.models import SignIn
from portal.signins import refresh_token_revoke, signin_end

log = logging.getLogger(__name__)

# How exactly it is known when somebody was last here: it is written that seldom.
_SEEN_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Place:
    """A browser that a person is signed in with."""

    id: UUID
    browser: str
    started_at: datetime
    seen_at: datetime
    is_here: bool


def places_of(user: User, *, here: SignIn | None = None) -> list[Place]:
    """Return where `user` is signed in: `here` first, then who was seen last."""
    live = SignIn.objects.filter(user=user, state=SignIn.State.LIVE)
    found = [
        Place(
            id=row.pk,
            browser=browsers.in_words(row.user_agent),
            started_at=row.started_at,
            seen_at=row.seen_at or row.started_at,
            is_here=here is not None and row.pk == here.pk,
        )
        for row in live.only("pk", "user_agent", "started_at", "seen_at")
    ]
    return sorted(found, key=lambda place: (place.is_here, place.seen_at), reverse=True)


def place_end(*, user: User, signin_id: UUID) -> None:
    """Sign `user` out where that is not this browser; the provider is told as at any sign-out.

    Raises:
        PageNotFound: it is nobody's sign-in, or somebody else's.
        AuditUnavailable: it cannot be put on record; it stands.
    """
    signin = _standing(user).filter(pk=signin_id).first()
    if signin is None:
        raise PageNotFound
    _end([signin], action="person.signin.ended_elsewhere", by=None)


def places_end(*, user: User, but: SignIn | None = None, by: Actor | None = None) -> int:
    """Sign `user` out everywhere, `but` for one sign-in, and return of how many that was the end.

    `by` is the admin who does it; without, it is the person.

    Raises:
        AuditUnavailable: it cannot be put on record; what did not end yet stands.
    """
    others = _standing(user).exclude(pk=but.pk) if but else _standing(user)
    action = "person.signin.ended_by_admin" if by else "person.signin.ended_elsewhere"
    return _end(list(others.order_by("pk")), action=action, by=by)


def signin_seen(signin: SignIn) -> None:
    """Note that the person is here, unless that was noted a little while ago."""
    now = timezone.now()
    if signin.seen_at is not None and now - signin.seen_at < _SEEN_EVERY:
        return
    # Of many requests at once, one writes.
    due = Q(seen_at=None) | Q(seen_at__lte=now - _SEEN_EVERY)
    SignIn.objects.filter(due, pk=signin.pk).update(seen_at=now)


def _standing(user: User) -> QuerySet[SignIn]:
    rows = SignIn.objects.filter(user=user).exclude(state=SignIn.State.REVOKED)
    return rows.select_related("user")


def _end(signins: list[SignIn], *, action: str, by: Actor | None) -> int:
    """End each; then tell the provider, which keeps nobody signed in here if it is away."""
    tokens = []
    for signin in signins:
        tokens.append((signin, _refresh_token(signin)))
        signin_end(signin, action=action, by=by)
    # One that does not answer is not waited for again and again.
    for signin, token in tokens:
        if token is not None and not refresh_token_revoke(token, of=signin):
            break
    return len(signins)


def _refresh_token(signin: SignIn) -> Secret | None:
    try:
        return signin.refresh_token()
    except AppError as exc:
        log.warning("signin.token_lost", extra={"reason": exc.code, "detail": exc.detail})
        return None
