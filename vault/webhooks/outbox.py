"""What is to be told of, written down in the transaction in which it happens.

So an event is told of if and only if the thing itself was committed. Where nobody listens, that
costs one query for however many events; nothing is made of them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from vault.models import EventType, Grant, WebhookDelivery, WebhookEndpoint

_AT_ONCE = 500
# An endpoint that is deleted meanwhile would break the foreign key when the caller's transaction
# commits, and with it what the caller keeps. So its deletion waits for that; a change does not.
_LISTENING = (
    "SELECT id, event_types FROM vault_webhookendpoint"
    " WHERE enabled AND event_types && %s::varchar[] FOR KEY SHARE"
)


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened to a grant. `told` holds names, codes and numbers, never a secret.

    Of the grant's parties nothing is read unless somebody listens.
    """

    event_type: EventType
    grant: Grant
    told: dict[str, Any] = field(default_factory=dict)


def announce(happened: Sequence[Happened]) -> None:
    """Write down for each endpoint that wants it what happened, in the caller's transaction.

    One query where nobody wants any of it, and two otherwise, for however many.
    """
    listening = _listening({one.event_type for one in happened})
    if not listening:
        return
    now = timezone.now()
    WebhookDelivery.objects.bulk_create(
        [
            delivery
            for one in happened
            for delivery in _deliveries(one, _listening_to(one.event_type, listening), at=now)
        ],
        batch_size=_AT_ONCE,
    )


def _listening(types: set[EventType]) -> list[WebhookEndpoint]:
    if not types:
        return []
    wanted = sorted(each.value for each in types)
    return list(WebhookEndpoint.objects.raw(_LISTENING, [wanted]))


def _listening_to(
    event_type: EventType, endpoints: Iterable[WebhookEndpoint]
) -> list[WebhookEndpoint]:
    return [each for each in endpoints if event_type.value in each.event_types]


def _deliveries(
    one: Happened, endpoints: list[WebhookEndpoint], *, at: datetime
) -> list[WebhookDelivery]:
    if not endpoints:
        return []
    event, payload = uuid.uuid4(), payload_of(one.event_type, {**_about(one.grant), **one.told}, at)
    return [
        WebhookDelivery(
            endpoint=endpoint,
            event=event,
            event_type=one.event_type,
            payload=payload,
            next_attempt_at=at,
        )
        for endpoint in endpoints
    ]


def payload_of(event_type: str, data: dict[str, Any], at: datetime) -> str:
    """Return the body that is sent for an event that happened at `at`."""
    said = {"type": event_type, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(said, separators=(",", ":"))


def _about(grant: Grant) -> dict[str, Any]:
    """Return who granted what to whom, by ids and names."""
    return {
        "grant_id": str(grant.pk),
        "provider": grant.provider.name,
        "workload_identity": grant.workload_identity.name,
        "agent_id": grant.workload_identity.agent_id or None,
        "user": {"iss": grant.user_iss, "sub": grant.user_sub},
        "scopes": list(grant.scopes),
        "resources": list(grant.resources),
        "audiences": list(grant.audiences),
    }
