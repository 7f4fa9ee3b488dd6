"""Pages of the identity provider that are not allauth's."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show the person who is signed in what this site tells about them."""
    return render(request, "idp/home.html")


@csrf_exempt  # it does nothing, whoever asks
def not_offered(request: HttpRequest) -> HttpResponse:
    """Answer as if there were no such address."""
    raise Http404
