"""What this site keeps about me: taking it away."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from portal.my_data import data_download
from portal.views.access import SignedInRequest, signed_in

_HEADERS = {"Content-Disposition": 'attachment; filename="daiko-data.json"'}


@signed_in
@require_safe
def my_data(request: SignedInRequest) -> HttpResponse:
    """Show what can be done with what is kept."""
    return render(request, "portal/my_data.html")


@signed_in
@require_POST
def download(request: SignedInRequest) -> StreamingHttpResponse:
    """Return what is kept about the person as a file, while it is made."""
    file = data_download(user=request.user)
    return StreamingHttpResponse(file, content_type="application/json", headers=_HEADERS)
