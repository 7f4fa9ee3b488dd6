"""Pages for the person whose account it is."""

from __future__ import annotations

import uuid

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from demo.acme import tokens
from demo.acme.accounts import account_of
from demo.acme.models import Authorization
from demo.acme.roster import events
from demo.acme.scopes import words


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show today's events and what the account has authorised."""
    account = account_of(request)
    if account is None:
        return redirect_to_login(request.get_full_path())
    today = timezone.now().date()
    authorizations = Authorization.objects.filter(account=account, ended_at=None).select_related(
        "client"
    )
    return render(
        request,
        "acme/home.html",
        {
            "today": today,
            "events": [
                event | {"start": event["start"][11:16], "end": event["end"][11:16]}
                for event in events(account.email, day=today, today=today)
            ],
            "authorizations": [
                {"row": row, "allowed_to": words(row.scope)}
                for row in authorizations.order_by("-created_at")
            ],
        },
    )


@require_POST
def remove_access(request: HttpRequest, authorization_id: uuid.UUID) -> HttpResponse:
    """End one of the account's own authorizations; somebody else's does not exist."""
    account = account_of(request)
    if account is None:
        return redirect_to_login("/")
    with transaction.atomic():
        authorization = get_object_or_404(Authorization, pk=authorization_id, account=account)
        tokens.authorization_end(
            authorization=authorization, by=Authorization.End.ACCOUNT, at=timezone.now()
        )
    return redirect("home")
