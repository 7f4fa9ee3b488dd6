"""Sign-ins: begun from a verified ID token, renewed ahead of expiry, ended for good."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http.cookie import parse_cookie
from django.utils import timezone

from agents.authorizer import groups_of
from agents.errors import PersonDisabled
from core import audit, http, identity_providers, jose, oauth, refreshing
from core.audit import Actor
from core.crypto import seal
from core.errors import AppError
from core.models import Role, User
from core.models.users import username_for
from core.refreshing import Settled
from core.secret import Secret
from portal import id_tokens, provider
from portal.errors import ProviderAway, ProviderGone, SignInExpired, SignInRefused
from portal.id_tokens import VerifiedIdToken
from portal.models import ConsentAtAws, SignIn
from portal.roles import roles_of

log = logging.getLogger(__name__)

# Which sign-in a browser's session is of.
SESSION_SIGNIN = "signin"
# An access token is renewed when it has less than this left: time enough for what it is sent for.
LEEWAY_S = 60.0
_MAX_GROUP_CHARS = 150
_MAX_GROUPS = 1000
_sessions = import_module(settings.SESSION_ENGINE)

# The ID token of a renewal, and the access token that came with it.
_Heard = tuple[VerifiedIdToken, Secret]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the provider says of a person at one sign-in."""

    name: str
    email: str
    groups: frozenset[str]


def profile_of(identity: VerifiedIdToken, *, access_token: Secret) -> Profile:
    """Return what the provider says of the person: the ID token, and UserInfo for what it lacks.

    Raises:
        ProviderAway: UserInfo is needed and does not answer.
        SignInRefused: UserInfo speaks of somebody else (OpenID Connect Core 1.0 section 5.3.2).
    """
    claims = dict(identity.claims)
    has_name = "name" in claims or "preferred_username" in claims
    if not has_name or settings.DAIKO_GROUPS_CLAIM not in claims:
        claims = {**_userinfo(identity, access_token), **claims}
    names = (_text(claims.get(claim), 255) for claim in ("name", "preferred_username"))
    groups = groups_of(jose.Claims(claims), settings.DAIKO_GROUPS_CLAIM)
    return Profile(
        name=next(filter(None, names), ""),
        email=_text(claims.get("email"), 254),
        groups=frozenset(
            sorted(group for group in groups or () if 0 < len(group) <= _MAX_GROUP_CHARS)[
                :_MAX_GROUPS
            ]
        ),
    )


def signin_begin(
    *,
    identity: VerifiedIdToken,
    profile: Profile,
    tokens: oauth.Tokens,
    id_token: Secret,
    user_agent: str,
) -> SignIn:
    """Return a new sign-in of the person, whose name and groups become those of `profile`.

    It is on record in the same transaction.

    Raises:
        PersonDisabled: an admin switched the account off; nothing is changed.
    """
    with transaction.atomic():
        user, _ = User.objects.get_or_create(
            iss=identity.subject.iss,
            sub=identity.subject.sub,
            defaults={
                "username": username_for(identity.subject),
                "password": make_password(None),  # there is none, and none fits
            },
        )
        user = User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)
        if not user.is_active:
            raise PersonDisabled(identity.subject)
        _update_person(user, profile)
        signin = SignIn(user=user, sid=identity.sid, user_agent=user_agent, seen_at=timezone.now())
        for column, value in signin.columns_of(tokens).items():
            setattr(signin, column, value)
        signin.id_token_sealed = seal(id_token, bound_to=signin.binding("id_token_sealed"))
        signin.save(force_insert=True)
        audit.record(
            audit.Event(
                "person.signed_in",
                subject=identity.subject,
                client=identity.provider.client_id,
                detail={"signin": str(signin.pk), "groups": sorted(profile.groups)},
            )
        )
    return signin


def signin_of(session: SessionBase) -> SignIn | None:
    """Return the sign-in that a session stands for; None: nobody's, or it is over.

    It is over, too, once the site does not name its identity provider any more.
    """
    if SESSION_KEY not in session:
        return None
    try:
        key = uuid.UUID(str(session.get(SESSION_SIGNIN, "")))
    except ValueError:
        return None
    return (
        SignIn.objects.select_related("user")
        .filter(
            pk=key,
            user_id=str(session[SESSION_KEY]),
            state=SignIn.State.LIVE,
            user__is_active=True,
            user__iss__in=[one.issuer for one in identity_providers.every()],
        )
        .first()
    )


def session_key_in(cookies: str) -> str:
    """Return the key of a browser's session in a `Cookie` header, which may be nobody's, or ""."""
    return str(parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, ""))


def signin_of_key(session_key: str) -> SignIn | None:
    """Return `signin_of` the session of that key."""
    return signin_of(_sessions.SessionStore(session_key)) if session_key else None


def access_token_for(signin: SignIn) -> Secret:
    """Return the person's access token, renewed first if it is about to expire.

    One renewal happens at a time across all processes. While the provider is away, what is left of
    the present token is used.

    Raises:
        SignInExpired: the sign-in is over; only the person can begin a new one.
        ProviderAway: the token has expired and the provider does not answer.
    """
    token = _live_token(signin, leeway_s=LEEWAY_S)
    if token is not None:
        return token
    if signin.state != SignIn.State.LIVE:
        raise SignInExpired
    orphans: list[Secret] = []
    heard: list[_Heard] = []

    def record(settled: Sequence[Settled[SignIn]]) -> None:
        _record_lapses(settled)
        orphans.extend(one.orphan.refresh for one in settled if one.orphan and one.orphan.refresh)

    try:
        renewed = refreshing.refresh(
            signin,
            among=SignIn.objects.select_related("user"),
            spend=lambda refresh: _renew(signin, refresh, heard),
            record=record,
        )
    except refreshing.ReconnectNeeded as exc:
        # Without a refresh token the access token is good to its end.
        token = _live_token(signin, leeway_s=0) if signin.refresh_sealed is None else None
        if token is not None:
            return token
        raise SignInExpired(detail=exc.detail) from None
    except (oauth.OAuthError, refreshing.StillBusy, ProviderAway) as exc:
        token = _live_token(signin, leeway_s=0)
        if token is not None:
            return token
        raise ProviderAway(detail=exc.detail) from None
    finally:
        # What a renewal brought after the person had signed out is given back.
        for orphan in orphans:
            refresh_token_revoke(orphan, of=signin)
    for identity, access in heard:
        profile_renew(identity, access)
    token = _live_token(renewed, leeway_s=0)
    if token is None:
        raise SignInExpired(detail="the renewed token had expired when it came")
    return token


def signin_end(
    signin: SignIn, *, action: str = "person.signed_out", by: Actor | None = None
) -> None:
    """End `signin`: its tokens are forgotten wherever they are here, and it opens no page any more.

    `by` is the admin who does it.

    Raises:
        AuditUnavailable: it cannot be put on record; it stands.
    """
    with transaction.atomic():
        ended = (
            SignIn.objects.filter(pk=signin.pk)
            .exclude(state=SignIn.State.REVOKED)
            .update(
                state=SignIn.State.REVOKED,
                ended_at=timezone.now(),
                access_sealed=None,
                refresh_sealed=None,
                id_token_sealed=None,
                next_refresh_at=None,
                spending_by=None,
                spending_since=None,
            )
        )
        if ended:
            asked = ConsentAtAws.objects.filter(run__signin=signin, token_sealed__isnull=False)
            asked.update(token_sealed=None)
            detail: dict[str, object] = {"signin": str(signin.pk)}
            if by is not None and by.subject is not None:
                detail["by"] = [by.subject.iss, by.subject.sub]
            audit.record(
                audit.Event(
                    action,
                    actor=by.name if by else "",
                    subject=signin.user.subject,
                    detail=detail,
                )
            )


def refresh_token_revoke(token: Secret, *, of: SignIn) -> bool:
    """Tell the provider that the refresh token of a sign-in that is over ends (RFC 7009).

    A provider that is away, or has no endpoint for it, does not keep anybody signed in here. Says
    whether it was told.
    """
    try:
        asked = provider.of(of)
        url = provider.endpoint(asked, "revocation_endpoint")
        if url is None:
            return False
        oauth.revocation_request(
            url, client=provider.client(asked), token=token, hint="refresh_token", timeout_s=3.0
        )
    except AppError as exc:
        log.warning("signin.revocation_failed", extra={"reason": exc.code, "detail": exc.detail})
        return False
    return True


def _live_token(signin: SignIn, *, leeway_s: float) -> Secret | None:
    if not signin.is_live or not signin.is_fresh(at=timezone.now(), leeway_s=leeway_s):
        return None
    return signin.access_token()


def _renew(signin: SignIn, refresh: Secret, heard: list[_Heard]) -> oauth.Tokens:
    """Spend the refresh token, and add to `heard` the ID token that came with the new one."""
    try:
        asked = provider.of(signin)
        endpoint = provider.required_endpoint(asked, "token_endpoint")
        client = provider.client(asked)
    except ProviderGone as exc:
        raise oauth.GrantRejected(error=exc.code, detail=exc.detail) from None
    except AppError as exc:
        raise oauth.TryLater(detail=exc.detail) from None
    form = {"grant_type": "refresh_token", "refresh_token": refresh.reveal()}
    tokens = oauth.token_request(endpoint, client=client, form=form)
    if tokens.id_token is not None:
        heard.append((_same_person(signin, tokens.id_token, tokens.access), tokens.access))
    return tokens


def _same_person(signin: SignIn, id_token: Secret, access_token: Secret) -> VerifiedIdToken:
    """Return the ID token of a renewal, verified (OpenID Connect Core 1.0 section 12.2).

    Raises:
        GrantRejected: it is somebody else's, or not good.
        Unanswered: it cannot be verified now.
    """
    try:
        expected = id_tokens.Expected(
            provider.of(signin), nonce=None, access_token=access_token, now=time.time()
        )
        identity = id_tokens.verify(id_token, expected)
    except SignInRefused as exc:
        raise oauth.GrantRejected(error="id_token_refused", detail=exc.code) from None
    except AppError as exc:
        raise oauth.Unanswered(detail=exc.detail) from None
    if identity.subject != signin.user.subject:
        raise oauth.GrantRejected(error="id_token_refused", detail="another subject")
    return identity


def profile_renew(identity: VerifiedIdToken, access_token: Secret) -> None:
    """Make the person's row say what the provider says later on: groups and roles may be gone.

    Where it does not say (UserInfo is needed and does not answer), they stay as they are.
    """
    try:
        profile = profile_of(identity, access_token=access_token)
    except AppError as exc:
        log.warning("signin.profile_not_renewed", extra={"reason": exc.code, "detail": exc.detail})
        return
    with transaction.atomic():
        people = User.objects.select_for_update(of=("self",), no_key=True)
        _update_person(people.get(iss=identity.subject.iss, sub=identity.subject.sub), profile)


def _record_lapses(settled: Sequence[Settled[SignIn]]) -> None:
    """Put on record whose sign-in was found to be over."""
    for one in settled:
        if isinstance(one.failure, refreshing.Lapsed):
            signin = str(one.row.pk)
            audit.record(
                audit.Event(
                    "person.signin.lapsed",
                    outcome="failed",
                    reason="renewal_refused",
                    subject=one.row.user.subject,
                    detail={"signin": signin},
                )
            )
            log.info("signin.lapsed", extra={"signin": signin, "detail": one.failure.detail})


def _update_person(user: User, profile: Profile) -> None:
    """Make the row say what the provider says: name, address, groups, and who administers what.

    That somebody may do more on the admin site than before, or less, is on record.
    """
    user.name, user.email = profile.name, profile.email
    before = _administers(user)
    user.is_superuser = not profile.groups.isdisjoint(settings.DAIKO_ADMIN_GROUPS)
    roles = roles_of(profile.groups, given_to=settings.DAIKO_ROLES)
    user.roles.set(Role.objects.filter(name__in=roles))
    user.is_staff = user.is_superuser or bool(roles)
    after = _administers(user)
    if before != after:
        audit.record(
            audit.Event(
                "person.roles.changed", subject=user.subject, detail={"from": before, "to": after}
            )
        )
    user.save(update_fields=["name", "email", "is_staff", "is_superuser"])
    Group.objects.bulk_create(
        [Group(name=name) for name in sorted(profile.groups)], ignore_conflicts=True
    )
    user.groups.set(Group.objects.filter(name__in=profile.groups))


def _administers(user: User) -> list[str]:
    """Return the person's roles, "admin" for whoever may do everything."""
    every = ["admin"] if user.is_superuser else []
    return every + sorted(user.roles.values_list("name", flat=True))


def _userinfo(identity: VerifiedIdToken, access_token: Secret) -> dict[str, object]:
    url = provider.endpoint(identity.provider, "userinfo_endpoint")
    if url is None:
        return {}
    try:
        answer = http.fetch_sync(
            "GET", url, headers={"Authorization": f"Bearer {access_token.reveal()}"}
        )
        claims = answer.json() if answer.status == http.OK else None
    except (http.HttpError, ValueError, RecursionError) as exc:
        raise ProviderAway(detail=f"userinfo: {type(exc).__name__}") from None
    if not isinstance(claims, dict):
        raise ProviderAway(detail=f"userinfo: status {answer.status}")
    if claims.get("sub") != identity.subject.sub:
        raise SignInRefused("userinfo_of_another")
    return claims


def _text(value: object, max_chars: int) -> str:
    """Return a claim as text that fits its column; anything else is nothing."""
    if not isinstance(value, str) or "\x00" in value:
        return ""
    return value.strip()[:max_chars]
