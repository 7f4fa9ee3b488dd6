"""Consents that AWS's identity service holds, for an agent there that a person chats with."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.crypto import Binding, open_sealed
from core.secret import Secret
from core.subject import Subject
from portal.models.chat import Run


class ConsentAtAws(models.Model):
    """One request for consent that stood in an answer: whose chat it is, and what became of it.

    The link itself is not kept. What comes back from AWS is looked up by its hash.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        COMPLETING = "completing", _("completing")
        GRANTED = "granted", _("granted")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("expired")
        CLOSED = "closed", _("closed")

    OPEN = (State.PENDING, State.COMPLETING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    session_uri_hash = models.CharField(max_length=64, unique=True)
    # Where the runtime was called, and how: AWS is told of the person in the same way.
    region = models.CharField(max_length=32)
    called_with = models.CharField(max_length=8)
    # The token with which the runtime was called, if with one: AWS holds to the very token.
    token_sealed = models.BinaryField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    expires_at = models.DateTimeField()
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("consent at AWS")
        verbose_name_plural = _("consents at AWS")
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["pending", "completing"]),
                name="portal_open_consents_at_aws",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "completing", "granted", "failed", "expired", "closed"]
                ),
                name="portal_a_consent_at_aws_has_a_known_state",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "completing"]) | Q(token_sealed__isnull=True),
                name="portal_a_consent_at_aws_that_is_over_holds_no_token",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`; moved to another run it does not open."""
        return Binding(self._meta.db_table, str(self.pk), column, str(self.run_id))

    def token(self) -> Secret | None:
        """Return the opened token, if one is held. Raises SealBroken, KeyMissing."""
        if self.token_sealed is None:
            return None
        return open_sealed(bytes(self.token_sealed), bound_to=self.binding("token_sealed"))

    @property
    def owner(self) -> Subject:
        """Return the person whose chat it stands in: nobody else can complete it."""
        return self.run.conversation.user.subject
