"""What the audit trail shows, filtered and searched as it is, as a file to take away."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST

from agents.admin.shared import actor_of
from core import audit
from core.logs import redacted
from core.models import AuditEvent
from core.trail_files import FORMATS, parts_of

_NOT_FILTERS = {"p", "o", "all", "e"}


def export_url(page: admin.ModelAdmin[AuditEvent]) -> URLPattern:
    """Return the URL that the file comes from."""

    @require_POST
    def view(request: HttpRequest) -> HttpResponseBase:
        return _export(page, request)

    return path("export/", page.admin_site.admin_view(view), name="core_auditevent_export")


def _export(page: admin.ModelAdmin[AuditEvent], request: HttpRequest) -> HttpResponseBase:
    """Return the file, once it is on record who takes away what.

    The query is that of the list, and read by the list itself: nothing else is exported than what
    it shows.

    Raises:
        PermissionDenied: whoever asks may not read the trail.
        Http404: there is no such format.
        AuditUnavailable: it cannot be put on record, and nothing is exported.
    """
    if not page.has_view_permission(request):
        raise PermissionDenied
    written_as = FORMATS.get(request.POST.get("format", "jsonl"))
    if written_as is None:
        raise Http404
    try:
        shown: Any = page.get_changelist_instance(request).queryset
    except IncorrectLookupParameters:
        return redirect("admin:core_auditevent_changelist")
    # What comes meanwhile, this export's own event first, is not in it: it would never end.
    newest = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    events = shown.filter(pk__lte=newest)
    # Somebody may search for what should be nowhere on record.
    asked = {
        name: redacted(str(text))
        for name, text in request.GET.items()
        if name not in _NOT_FILTERS and text
    }
    actor = actor_of(request)
    audit.record(
        audit.Event(
            "admin.audit.exported",
            actor=actor.name,
            subject=actor.subject,
            detail={"format": written_as.name, "filter": asked, "rows": events.count()},
        )
    )
    name = f"audit-{timezone.now():%Y%m%dT%H%M%SZ}.{written_as.ending}"
    return StreamingHttpResponse(
        parts_of(events, written_as=written_as),
        content_type=written_as.content_type,
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=name)
            or ""
        },
    )
