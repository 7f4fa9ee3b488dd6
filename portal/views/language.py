"""The language of the pages, as a person chooses it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.i18n import set_language

from portal.views.access import public


@public
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the language in a cookie, and lead back to the page on which it was chosen.

    Only to a page of this site. A GET chooses nothing.
    """
    return set_language(request)
