"""One attempt to deliver an event: what is sent, and what came of it.

No row is read or written here, so that nothing of the database is held while a receiver takes its
time. Only the status counts: what else a receiver answers is read up to a bound, and dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from django.utils import timezone

from core import http
from core.errors import AppError
from core.secret import Secret
from vault.models import WebhookDelivery
from vault.webhooks import addresses, signing

# The specification asks for 15 to 30 seconds, so that receivers can do some work first.
TIMEOUT_S = 15.0
MAX_BYTES = 64 << 10
# These say something of the receiver as a whole, and not of one event.
_BUSY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
NOT_ACCEPTED = "webhook_not_accepted"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. Without a `failure` the event was accepted.

    `is_away` says that other events would fare no better now.
    """

    status: int | None = None
    failure: str = ""
    retry_after_s: float | None = None
    is_away: bool = False

    @property
    def is_gone(self) -> bool:
        """Say whether the receiver wants nothing any more, ever (410)."""
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery as it is sent: made of its row while the database is at hand."""

    url: str
    id: str
    payload: bytes
    secrets: Sequence[Secret]

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Message:
        """Return what is sent for `delivery` now. Raises SealBroken, KeyMissing, KeyUnavailable."""
        endpoint = delivery.endpoint
        return cls(
            url=endpoint.url,
            id=delivery.message_id,
            payload=delivery.payload.encode(),
            secrets=endpoint.secrets(at=timezone.now()),
        )


async def send(message: Message, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Return what the receiver says to `message`, in `timeout_s`. No redirect is followed."""
    headers = signing.signed_headers(
        message_id=message.id,
        at=timezone.now(),
        payload=message.payload,
        secrets=message.secrets,
    )
    try:
        addresses.check(message.url)
        answer = await http.fetch(
            "POST",
            message.url,
            headers={"Content-Type": "application/json", **headers},
            content=message.payload,
            timeout_s=timeout_s,
            max_bytes=MAX_BYTES,
        )
    except http.HttpTooLarge as exc:
        return Answer(failure=exc.code)
    except AppError as exc:
        return Answer(failure=exc.code, is_away=True)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(answer.status)
    return Answer(
        answer.status,
        NOT_ACCEPTED,
        retry_after_s=http.retry_after_s(answer.headers),
        is_away=answer.status in _BUSY,
    )
