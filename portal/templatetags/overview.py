"""What an admin's first page tells at a glance."""

from __future__ import annotations

from django import template
from django.template.context import RequestContext
from django.utils import timezone

from portal.overview import Overview, overview_for

register = template.Library()


@register.simple_tag(takes_context=True)
def overview(context: RequestContext) -> Overview:
    """Return what whoever asks may see, over the time that the query names."""
    request = context["request"]
    return overview_for(request.user, span=request.GET.get("span", ""), at=timezone.now())
