"""What an admin's first page tells of webhooks."""

from __future__ import annotations

from django import template
from django.template.context import RequestContext

from vault.models import WebhookEndpoint

register = template.Library()


@register.simple_tag(takes_context=True)
def stopped_webhooks(context: RequestContext) -> list[WebhookEndpoint]:
    """Return the webhooks that this site switched off by itself, to whoever may see them."""
    user = context["request"].user
    if not user.has_perm("vault.view_webhookendpoint"):
        return []
    return list(WebhookEndpoint.objects.exclude(ended=WebhookEndpoint.Ended.NO))
