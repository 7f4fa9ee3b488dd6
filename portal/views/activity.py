"""What my agents did on my behalf."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from portal.activity import Asked, choices, page
from portal.views.access import SignedInRequest, signed_in


@signed_in
@require_safe
def activity(request: SignedInRequest) -> HttpResponse:
    """Show the person's own part of the audit trail. Raises PageNotFound: there is no such page."""
    subject = request.user.subject
    chosen = {name: request.GET.get(name, "") for name in ("agent", "provider", "kind")}
    asked = Asked(**chosen, before=request.GET.get("before", ""))
    found, further = page(subject, asked)
    narrowed = {name: value for name, value in chosen.items() if value}
    shown = {
        "deeds": found,
        "asked": asked,
        "choices": choices(subject),
        "is_narrowed": bool(narrowed),
        "newest": urlencode(narrowed),
        "older": urlencode({**narrowed, "before": further}) if further else "",
    }
    return render(request, "portal/activity.html", shown)
