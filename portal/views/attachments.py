"""A file that somebody attached, for them alone to look at again."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from portal.attachments import attachment_of
from portal.views.access import SignedInRequest, signed_in

# Whatever a file holds, it is nothing of this site: it runs nothing, loads nothing, sends nothing.
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@signed_in
@require_safe
def attachment(request: SignedInRequest, attachment_id: UUID) -> HttpResponse:
    """Return a file of the person: a picture to be shown, anything else to be saved."""
    found = attachment_of(request.user, attachment_id=attachment_id)
    disposition = content_disposition_header(as_attachment=not found.is_image, filename=found.name)
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    if disposition:
        headers["Content-Disposition"] = disposition
    return HttpResponse(
        bytes(found.content),
        content_type=found.media_type if found.is_image else "application/octet-stream",
        headers=headers,
    )
