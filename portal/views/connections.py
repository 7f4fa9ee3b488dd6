"""What a person granted, taking it back, and where a consent ends."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.audit import Actor
from core.errors import AppError
from core.models import User
from portal.flows import consent_at_aws
from portal.last_use import last_uses_of
from portal.selectors import kept_in
from portal.views.access import SignedInRequest, signed_in
from vault.ending.revocations import Revoked
from vault.errors import GrantUnknown, SessionUnknown
from vault.flows import consent
from vault.flows import reconnect as reconnecting
from vault.flows.errors import ConsentEnded
from vault.grants.attention import attention_dismiss, attention_of
from vault.holdings.selectors import connection_of, connections_of, ended_of, grant_of
from vault.holdings.taking_back import holding_revoke
from vault.models import ConsentSession, Grant, Outcome
from vault.pages import done


@signed_in
@require_safe
def connections(request: SignedInRequest) -> HttpResponse:
    """Show what agents hold for the person, and what has ended lately."""
    subject = request.user.subject
    held = connections_of(subject)
    uses = last_uses_of(request.user, held)
    shown = {
        "grants": [(connection, uses.get(connection.id)) for connection in held],
        "ended": ended_of(subject),
        "attention": attention_of(subject),
    }
    return render(request, "portal/connections.html", shown)


@signed_in
@require_POST
def reconnect(request: SignedInRequest, grant_id: UUID) -> HttpResponse:
    """Ask the person again, at the provider, for what this connection held.

    The page leads there by itself. A redirect would not: the policy lets forms lead nowhere else.
    """
    grant = grant_of(request.user.subject, grant_id)
    if not isinstance(grant, Grant):
        raise GrantUnknown
    session = reconnecting.begin(grant=grant)
    shown = {"url": session.authorization_url(), "provider": session.provider.display_name}
    return render(request, "portal/reconnect.html", shown)


@signed_in
@require_POST
def dismiss(request: SignedInRequest, grant_id: UUID) -> HttpResponse:
    """Tell the person no more that this connection is in trouble; its own card still says so."""
    attention_dismiss(subject=request.user.subject, grant_id=grant_id)
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return HttpResponseRedirect(back if is_ours else reverse("portal:connections"))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: SignedInRequest, grant_id: UUID) -> HttpResponse:
    """Take back what an agent holds for the person, and say what became of it at the provider.

    Opened as a page, which is what happens without JavaScript, it asks first.
    """
    if request.method != "POST":
        asked = connection_of(request.user.subject, grant_id)
        return render(request, "portal/disconnect.html", {"grant": asked})
    grant = grant_of(request.user.subject, grant_id)
    revoked = holding_revoke(row=grant, actor=Actor.person(request.user))
    clean = revoked.outcome == Outcome.REVOKED_AT_PROVIDER
    messages.add_message(
        request, messages.SUCCESS if clean else messages.WARNING, _said_of(revoked)
    )
    return HttpResponseRedirect(reverse("portal:connections"))


@signed_in
@require_safe
def complete(request: SignedInRequest) -> HttpResponse:
    """End a consent: prove by the browser's own sign-in that the person asked is who consented."""
    subject = request.user.subject
    session_uri = request.GET.get("session_id", "")
    try:
        session = consent.complete_here(session_uri=session_uri, subject=subject)
    except SessionUnknown:
        return _complete_at_aws(request, session_uri)
    except AppError as exc:
        chat_url = ""
        if isinstance(exc, ConsentEnded) and exc.session.subject == subject:
            chat_url = _chat_url(exc.session, request.user)
        return done.not_connected(request, exc, chat_url=chat_url)
    return done.connected(request, session, chat_url=_chat_url(session, request.user))


def _complete_at_aws(request: SignedInRequest, session_uri: str) -> HttpResponse:
    """End a consent that is none of this site's, and may be one of an agent on AWS."""
    try:
        asked = consent_at_aws.complete(session_uri=session_uri, signin=request.signin)
    except consent_at_aws.ConsentAtAwsEnded as exc:
        conversation = exc.consent.run.conversation
        is_theirs = exc.consent.owner == request.user.subject
        chat_url = conversation.get_absolute_url() if is_theirs else ""
        return done.not_connected(request, exc, chat_url=chat_url, outcome=exc.outcome)
    except AppError as exc:
        return done.not_connected(request, exc)
    conversation = asked.run.conversation
    return done.connected_at_aws(
        request, conversation.agent.display_name, chat_url=conversation.get_absolute_url()
    )


def _chat_url(session: ConsentSession, user: User) -> str:
    """Return the path of the conversation in which the person was asked, or nothing without one."""
    conversation = kept_in(user, sessions={session.runtime_session_id}).first()
    return conversation.get_absolute_url() if conversation else ""


def _said_of(revoked: Revoked) -> str:
    name = revoked.provider_name
    if revoked.outcome == Outcome.REVOKED_AT_PROVIDER:
        return _("Disconnected. The access was ended at %(provider)s too.") % {"provider": name}
    if revoked.outcome == Outcome.PROVIDER_AWAY:
        return _(
            "Disconnected. %(provider)s does not answer right now, and is told as soon as it does."
        ) % {"provider": name}
    why = (
        _("{provider} was not told, since the key to what was kept is lost.")
        if revoked.outcome == Outcome.UNREADABLE
        else _("{provider} offers no way to be told.")
    )
    to_do = (
        _(
            "To end there at once what is left, "
            '<a href="{page}" rel="noopener">remove this site there</a>.'
        )
        if revoked.account_url
        else _("To end there at once what is left, remove this site there.")
    )
    return format_html(
        # Sentences of this site's own, which hold the places for the values.
        " ".join((_("Disconnected."), why, to_do)),
        provider=name,
        page=revoked.account_url,
    )
