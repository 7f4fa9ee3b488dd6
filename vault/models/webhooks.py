"""Where operators want to be told of what happens to grants, and what they are told."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.crypto import Binding, open_sealed, seal
from core.secret import Secret


class EventType(models.TextChoices):
    """What is told of, in the names that stand in a payload."""

    GRANTED = "grant.granted", _("grant.granted: a person connected, or connected again")
    REFRESH_FAILED = "grant.refresh_failed", _("grant.refresh_failed: for now, or for good")
    RECOVERED = "grant.recovered", _("grant.recovered: refreshed after failures")
    REVOKED = "grant.revoked", _("grant.revoked: by anybody, or refused by the provider")
    REVOCATION_SETTLED = (
        "grant.revocation_settled",
        _("grant.revocation_settled: what came of it at a provider that was still to be told"),
    )


# Not to be chosen: it is sent by a button, and by nothing else.
TEST_EVENT = "webhook.test"


class WebhookEndpoint(models.Model):
    """An address that is told of events, with the secret that signs what is sent there.

    While its secret is rotated it has two, and each delivery is signed with both. The signature is
    an HMAC, so a secret must be had in clear: it is sealed, not hashed.
    """

    class Ended(models.TextChoices):
        """Why this site stopped sending by itself."""

        NO = "", _("switched on or off by an administrator")
        GONE = "webhook_gone", _("it answered that it is gone (410)")
        FAILING = "webhook_failing", _("nothing was accepted for three days")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.CharField(
        _("URL"),
        max_length=2048,
        help_text=_(
            "Where events are posted to. https, unless it is on this machine and listed in "
            "DAIKO_ALLOWED_PRIVATE_HOSTS."
        ),
    )
    description = models.CharField(
        _("description"),
        max_length=255,
        blank=True,
        help_text=_("What listens there, so that you know it again."),
    )
    event_types = ArrayField(
        models.CharField(max_length=64, choices=EventType), verbose_name=_("events")
    )
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("Switched off, it is sent nothing, and what happens meanwhile is not kept."),
    )
    secret_sealed = models.BinaryField()
    # The secret that was replaced, and until when it signs as well.
    previous_secret_sealed = models.BinaryField(null=True)
    previous_until = models.DateTimeField(_("the old secret signs until"), null=True)
    # Until when nothing is sent, since it is away or asked for it.
    not_before = models.DateTimeField(null=True)
    last_accepted_at = models.DateTimeField(_("last accepted"), null=True)
    failing_since = models.DateTimeField(_("failing since"), null=True)
    ended = models.CharField(
        _("stopped because"), max_length=16, choices=Ended, blank=True, default=Ended.NO
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    SEALED_FOR: ClassVar[str] = "site"

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(previous_secret_sealed__isnull=True, previous_until__isnull=True)
                | Q(previous_secret_sealed__isnull=False, previous_until__isnull=False),
                name="vault_an_old_webhook_secret_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(ended=""),
                name="vault_a_webhook_that_ended_is_off",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.host

    @property
    def host(self) -> str:
        """Return where it is, without the path, which may be a secret of its own."""
        return urlsplit(self.url).netloc

    def keep_secret(self, secret: Secret) -> None:
        """Put `secret`, sealed, into this row as the one that signs. Does not save."""
        self.secret_sealed = seal(secret, bound_to=self.binding("secret_sealed"))

    def keep_previous(self, secret: Secret, *, until: datetime) -> None:
        """Have `secret` sign as well until then. Does not save."""
        self.previous_secret_sealed = seal(secret, bound_to=self.binding("previous_secret_sealed"))
        self.previous_until = until

    def secret(self) -> Secret:
        """Return the secret that signs. Raises SealBroken, KeyMissing, KeyUnavailable."""
        return open_sealed(self.secret_sealed, bound_to=self.binding("secret_sealed"))

    def has_previous(self, *, at: datetime) -> bool:
        """Say whether the secret that was replaced still signs."""
        return self.previous_until is not None and self.previous_until > at

    def secrets(self, *, at: datetime) -> list[Secret]:
        """Return the secrets that sign, the newest first. Raises as `secret`."""
        sealed = self.previous_secret_sealed if self.has_previous(at=at) else None
        if sealed is None:
            return [self.secret()]
        return [self.secret(), open_sealed(sealed, bound_to=self.binding("previous_secret_sealed"))]

    def binding(self, field: str) -> Binding:
        """Return the one place at which the sealed value of this row's `field` opens."""
        return Binding(self._meta.db_table, str(self.pk), field, self.SEALED_FOR)


class WebhookDelivery(models.Model):
    """One event for one endpoint: what is sent, word by word, and what came of it.

    It is written in the transaction in which the thing itself happens. `event` is the same for all
    endpoints and over all attempts. `claimed_by` says which process is sending it; a process that
    dies leaves it to the next one, once `next_attempt_at` has come.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("to be sent")
        ACCEPTED = "accepted", _("accepted")
        FAILED = "failed", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.CASCADE, verbose_name=_("webhook"), related_name="deliveries"
    )
    event = models.UUIDField()
    event_type = models.CharField(_("event"), max_length=64)
    payload = models.TextField(_("payload"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    claimed_by = models.UUIDField(null=True)
    last_attempt_at = models.DateTimeField(_("last attempt"), null=True)
    response_status = models.PositiveSmallIntegerField(_("answered"), null=True)
    failure = models.CharField(_("failure"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("happened"), auto_now_add=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(state="waiting"),
                name="vault_webhook_delivery_due",
            ),
            models.Index(fields=["created_at"], name="vault_webhook_delivery_by_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event"], name="vault_an_event_is_for_an_endpoint_once"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", next_attempt_at__isnull=False)
                | (~Q(state="waiting") & Q(next_attempt_at__isnull=True, claimed_by__isnull=True)),
                name="vault_a_webhook_delivery_goes_on_until_it_is_over",
            ),
        ]

    def __str__(self) -> str:
        return self.message_id

    @property
    def message_id(self) -> str:
        """Return what its receiver knows the event by, however often it is sent."""
        return f"msg_{self.event.hex}"
