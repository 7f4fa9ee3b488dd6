"""Where I am signed in, and signing out there."""

from __future__ import annotations

from uuid import UUID

from django.contrib import auth, messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from portal.signed_in import place_end, places_end, places_of
from portal.views.access import SignedInRequest, signed_in


@signed_in
@require_safe
def signins(request: SignedInRequest) -> HttpResponse:
    """Show each browser that the person is signed in with."""
    places = places_of(request.user, here=request.signin)
    return render(request, "portal/signins.html", {"places": places})


@signed_in
@require_POST
def end(request: SignedInRequest, signin_id: UUID) -> HttpResponse:
    """Sign the person out in one browser. Raises PageNotFound: it is not theirs."""
    place_end(user=request.user, signin_id=signin_id)
    if signin_id == request.signin.pk:
        auth.logout(request)
        return HttpResponseRedirect("/")
    messages.success(request, _("Signed out there."))
    return HttpResponseRedirect(reverse("portal:signins"))


@signed_in
@require_POST
def end_others(request: SignedInRequest) -> HttpResponse:
    """Sign the person out everywhere but in this browser."""
    ended = places_end(user=request.user, but=request.signin)
    said = ngettext("Signed out in %(count)d browser.", "Signed out in %(count)d browsers.", ended)
    messages.success(request, said % {"count": ended})
    return HttpResponseRedirect(reverse("portal:signins"))
