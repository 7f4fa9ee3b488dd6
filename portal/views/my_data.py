"""What this site keeps about me: taking it away, and deleting what I said."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.keeping import conversations_delete, conversations_restore, deleted_of, kept_of
from portal.my_data import data_download
from portal.views.access import SignedInRequest, signed_in

_HEADERS = {"Content-Disposition": 'attachment; filename="daiko-data.json"'}


@signed_in
@require_safe
def my_data(request: SignedInRequest) -> HttpResponse:
    """Show what can be done with what is kept."""
    shown = {
        "conversations": kept_of(request.user).count(),
        "deleted": deleted_of(request.user).count(),
    }
    return render(request, "portal/my_data.html", shown)


@signed_in
@require_POST
def download(request: SignedInRequest) -> StreamingHttpResponse:
    """Return what is kept about the person as a file, while it is made."""
    file = data_download(user=request.user)
    return StreamingHttpResponse(file, content_type="application/json", headers=_HEADERS)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedInRequest) -> HttpResponse:
    """Delete all of the person's conversations.

    Opened as a page, which is what happens without JavaScript, it asks first.
    """
    if request.method != "POST":
        asked = {"conversations": kept_of(request.user).count()}
        return render(request, "portal/conversations_delete.html", asked)
    deleted = conversations_delete(user=request.user)
    said = ngettext("%(count)d conversation deleted.", "%(count)d conversations deleted.", deleted)
    messages.success(request, said % {"count": deleted})
    return HttpResponseRedirect(reverse("portal:my_data"))


@signed_in
@require_POST
def restore(request: SignedInRequest) -> HttpResponse:
    """Bring back what the person deleted within the last minutes."""
    restored = conversations_restore(user=request.user)
    said = ngettext(
        "%(count)d conversation is back.", "%(count)d conversations are back.", restored
    )
    messages.success(request, said % {"count": restored})
    return HttpResponseRedirect(reverse("portal:my_data"))
