"""Sign-ins that end because the identity provider says so."""

from __future__ import annotations

import hmac

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.errors import LogoutRefused
from portal.logout_tokens import VerifiedLogout
from portal.models import SignIn, UsedLogoutToken
from portal.signins import signin_end

ACTION = "person.signin.ended_by_provider"


def logout_obey(told: VerifiedLogout) -> int:
    """End the sign-ins that are over at the provider, and return how many those were.

    What is said of one session ends the sign-ins of that session; what is said of a person alone,
    all of theirs. A token is used up only once all of them have ended.

    Raises:
        LogoutRefused: the token was obeyed before.
        AuditUnavailable: it cannot be put on record; nothing has ended.
    """
    with transaction.atomic():
        # Of two that come at once, the second waits here for the first.
        _row, is_new = UsedLogoutToken.objects.get_or_create(
            pk=told.once, defaults={"forget_at": told.forget_at}
        )
        over = list(_of(told).select_related("user").order_by("pk")) if is_new else []
        for signin in over:
            signin_end(signin, action=ACTION)
    if not is_new:
        raise LogoutRefused("token_replayed")
    return len(over)


def logout_obey_here(signin: SignIn, *, iss: str, sid: str) -> bool:
    """End `signin` if it is of the session `sid` at `iss`, and say whether it was.

    Raises:
        AuditUnavailable: it cannot be put on record; it stands.
    """
    named = hmac.compare_digest(iss.encode(), signin.user.iss.encode())
    if not signin.sid or not named or not hmac.compare_digest(sid.encode(), signin.sid.encode()):
        return False
    signin_end(signin, action=ACTION)
    return True


def _of(told: VerifiedLogout) -> QuerySet[SignIn]:
    of_issuer = SignIn.objects.exclude(state=SignIn.State.REVOKED).filter(user__iss=told.iss)
    if not told.sub:
        return of_issuer.filter(sid=told.sid)
    of_person = of_issuer.filter(user__sub=told.sub)
    if not told.sid:
        return of_person
    # Of a sign-in that names no session nobody can say that it is another one.
    return of_person.filter(Q(sid=told.sid) | Q(sid=""))
