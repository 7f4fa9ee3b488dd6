"""What changes endpoints. Every change is on record with who made it, or is not made."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit, http
from core.audit import Actor
from core.errors import AppError, Conflict, invalid
from core.key_errors import KeyMissing, SealBroken
from core.secret import Secret
from vault.errors import VaultError
from vault.models import TEST_EVENT, WebhookDelivery, WebhookEndpoint
from vault.webhooks import addresses, delivering, sending
from vault.webhooks.delivering import Claim
from vault.webhooks.outbox import payload_of
from vault.webhooks.sending import Answer, Message
from vault.webhooks.signing import new_secret

# For how long a secret that was replaced signs beside the new one.
OVERLAP = timedelta(hours=24)
# Somebody waits for the answer to a test, in a browser.
_TEST_TIMEOUT_S = 10.0
_EDITED = ("url", "description", "event_types", "enabled")


class RotationUnderWay(VaultError, Conflict):
    """The secret before this one signs still, and a third one would take its place too early."""

    code = "webhook_rotation_under_way"
    message = _("The old secret is still in use. End it first.")


class NotToResend(VaultError, Conflict):
    """The delivery was accepted, or is being sent, or its endpoint is off."""

    code = "webhook_not_to_resend"
    message = _(
        "It was accepted, it is being sent right now, or its webhook is switched off: not sent."
    )


def endpoint_create(*, endpoint: WebhookEndpoint, actor: Actor) -> Secret:
    """Store a new endpoint, and return its secret, which is shown nowhere else.

    Raises:
        InvalidRequest: its URL is not one that events may be sent to.
        AuditUnavailable: nothing was stored.
    """
    _check(endpoint)
    secret = new_secret()
    endpoint.keep_secret(secret)
    with transaction.atomic():
        endpoint.save(force_insert=True)
        _record("added", endpoint, actor, **_about(endpoint))
    return secret


def endpoint_change(*, endpoint: WebhookEndpoint, actor: Actor) -> None:
    """Store what was edited of an endpoint. Switched on, or with another URL, it begins anew.

    Raises:
        InvalidRequest: its URL is not one that events may be sent to.
        AuditUnavailable: nothing was changed.
    """
    _check(endpoint)
    with transaction.atomic():
        before = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).get(
            pk=endpoint.pk
        )
        if endpoint.enabled:
            endpoint.ended = WebhookEndpoint.Ended.NO
        endpoint.failing_since, endpoint.not_before = before.failing_since, before.not_before
        if endpoint.url != before.url or (endpoint.enabled and not before.enabled):
            endpoint.failing_since = endpoint.not_before = None
        endpoint.save(
            update_fields=[*_EDITED, "ended", "failing_since", "not_before", "updated_at"]
        )
        moved = {"url_changed": True} if endpoint.url != before.url else {}
        _record("changed", endpoint, actor, **_about(endpoint), **moved)


def endpoint_delete(*, endpoint: WebhookEndpoint, actor: Actor) -> None:
    """Delete an endpoint with its secrets and with what was, or was to be, sent there."""
    with transaction.atomic():
        # With the key: whoever writes an event down for it refers to this row, and is waited for.
        WebhookEndpoint.objects.select_for_update(of=("self",), no_key=False).get(pk=endpoint.pk)
        _record("deleted", endpoint, actor)
        endpoint.delete()


def secret_rotate(*, endpoint: WebhookEndpoint, actor: Actor) -> Secret:
    """Return a new secret that signs from now on; the old one signs as well for OVERLAP.

    One whose key is lost signs nothing any more, so it is given up.

    Raises:
        RotationUnderWay: the one before signs still.
        KeyUnavailable: KMS does not answer now. Nothing was changed.
    """
    made = new_secret()
    with transaction.atomic():
        held = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).get(
            pk=endpoint.pk
        )
        now = timezone.now()
        if held.has_previous(at=now):
            raise RotationUnderWay
        held.previous_secret_sealed = held.previous_until = None
        with suppress(KeyMissing, SealBroken):
            held.keep_previous(held.secret(), until=now + OVERLAP)
        held.keep_secret(made)
        held.save(
            update_fields=[
                *("secret_sealed", "previous_secret_sealed", "previous_until", "updated_at")
            ]
        )
        _record("secret_rotated", held, actor)
    return made


def previous_secret_end(*, endpoint: WebhookEndpoint, actor: Actor) -> None:
    """Have the old secret sign no more, and erase it."""
    with transaction.atomic():
        rotated = WebhookEndpoint.objects.filter(pk=endpoint.pk, previous_until__isnull=False)
        if rotated.update(previous_secret_sealed=None, previous_until=None):
            _record("old_secret_ended", endpoint, actor)


def endpoint_probe(*, endpoint: WebhookEndpoint, actor: Actor) -> Answer:
    """Send a test event, also to an endpoint that is off, and return what it says.

    It is sent once. What comes of it is kept with the delivery, and changes nothing else.
    """
    now, by = timezone.now(), uuid.uuid4()
    with transaction.atomic():
        _record("tested", endpoint, actor)
        delivery = WebhookDelivery.objects.create(
            endpoint=endpoint,
            event=uuid.uuid4(),
            event_type=TEST_EVENT,
            payload=payload_of(TEST_EVENT, {"webhook_id": str(endpoint.pk)}, now),
            attempts=1,
            last_attempt_at=now,
            next_attempt_at=now + timedelta(seconds=delivering.LEASE_S),
            claimed_by=by,
        )
    try:
        answer = http.run(sending.send(Message.of(delivery), timeout_s=_TEST_TIMEOUT_S))
    except AppError as exc:  # the secret does not open
        answer = Answer(failure=exc.code)
    delivering.settle(Claim(delivery, by), answer)
    return answer


def delivery_resend(*, delivery: WebhookDelivery, actor: Actor) -> None:
    """Have an event sent again at once, under the id that it had, as often as at first.

    Raises:
        NotToResend: it was accepted, or is being sent now, or its endpoint is off.
    """
    now = timezone.now()
    with transaction.atomic():
        endpoint = (
            WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
            .filter(pk=delivery.endpoint_id, enabled=True)
            .first()
        )
        again = WebhookDelivery.objects.filter(
            ~Q(state=WebhookDelivery.State.ACCEPTED), pk=delivery.pk, claimed_by=None
        )
        if endpoint is None or not again.update(
            state=WebhookDelivery.State.WAITING, attempts=0, next_attempt_at=now
        ):
            raise NotToResend
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(not_before=None)
        _record("resent", endpoint, actor, delivery=str(delivery.pk), event=delivery.event_type)


def _check(endpoint: WebhookEndpoint) -> None:
    try:
        addresses.check(endpoint.url)
    except http.HttpRefused as exc:
        raise invalid("url", exc.message) from exc


def _about(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {"enabled": endpoint.enabled, "events": list(endpoint.event_types)}


def _record(verb: str, endpoint: WebhookEndpoint, actor: Actor, **detail: object) -> None:
    # The host alone: the path of many receivers' URLs is what lets one in.
    detail = {"webhook": str(endpoint.pk), "host": endpoint.host, **detail}
    audit.record(
        audit.Event(
            f"admin.webhook.{verb}",
            actor=actor.name,
            subject=actor.subject,
            detail=detail,
        )
    )
