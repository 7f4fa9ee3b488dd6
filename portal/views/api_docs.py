"""The site's own API, described to programs and to people.

Public: it says what stands in the project's own repository, and nothing of this site's.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.api import reference_page
from portal.api.openapi import document
from portal.views.access import public

_MAX_AGE_S = 600


@public
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document."""
    answer = JsonResponse(document())
    answer["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return answer


@public
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document as a page: rendered here, since no script of the usual viewers may run."""
    described = document()
    shown = {
        "about": described["info"]["description"],
        "sections": reference_page.sections(described),
        "guards": described["components"]["securitySchemes"],
        "schemas": reference_page.schemas(described),
    }
    return render(request, "portal/api_docs.html", shown)
