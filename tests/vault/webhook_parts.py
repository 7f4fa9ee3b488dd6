"""What tests of webhooks share: an endpoint at a receiver, and sending without waiting."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.utils import timezone

from core.secret import Secret
from tests.vault.conftest import ADMIN
from tests.vault.webhook_receiver import Receiver
from vault.models import EventType, WebhookDelivery, WebhookEndpoint
from vault.webhooks import delivering, endpoints
from vault.webhooks.outbox import payload_of


def endpoint_at(url: str, *types: EventType, **columns: Any) -> tuple[WebhookEndpoint, Secret]:
    """Return an endpoint for `types`, or for all, and its secret."""
    endpoint = WebhookEndpoint(url=url, event_types=list(types or EventType), **columns)
    return endpoint, endpoints.endpoint_create(endpoint=endpoint, actor=ADMIN)


def listening(there: Receiver, *types: EventType) -> tuple[WebhookEndpoint, Secret]:
    """Return an endpoint at `there`, and its secret."""
    return endpoint_at(there.url, *types, description="Alerts")


def put(endpoint: WebhookEndpoint, *, count: int = 1) -> list[WebhookDelivery]:
    """Return deliveries that are due."""
    now = timezone.now()
    return [
        WebhookDelivery.objects.create(
            endpoint=endpoint,
            event=uuid.uuid4(),
            event_type=EventType.GRANTED,
            payload=payload_of(EventType.GRANTED, {"number": number}, now),
            next_attempt_at=now,
        )
        for number in range(count)
    ]


def make_due() -> None:
    """Let the time of every delivery that waits have come."""
    waiting = WebhookDelivery.objects.filter(state=WebhookDelivery.State.WAITING)
    waiting.update(next_attempt_at="2020-01-01T00:00:00Z")
    WebhookEndpoint.objects.update(not_before=None)


def deliver() -> int:
    """Send what is due, and return how many attempts that took."""
    return delivering.deliver_due(for_s=20)


def told(*types: str) -> list[dict[str, Any]]:
    """Return the payloads that were written down, of `types` or all, in order."""
    rows = WebhookDelivery.objects.order_by("created_at")
    found = [json.loads(row.payload) for row in rows]
    return [each for each in found if not types or each["type"] in types]
