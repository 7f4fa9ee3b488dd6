"""The tour of the first visit."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from portal.tour import tour_seen
from portal.views.access import SignedInRequest, signed_in


@signed_in
@require_POST
def seen(request: SignedInRequest) -> HttpResponse:
    """Remember that the person saw the tour, or put it away."""
    tour_seen(request.user)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)
