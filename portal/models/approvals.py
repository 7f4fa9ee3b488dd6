"""What agents ask people before they go on."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.chat import Run


class Approval(models.Model):
    """One interrupt of an AG-UI agent: what it asked, and what it is to be told.

    An answer is kept from when it is given until the agent is sent it; then nothing is left of it
    but what the card in the chat says.
    """

    INTERRUPT_CHARS = 256

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")
        ANSWERED = "answered", _("answered")
        LAPSED = "lapsed", _("lapsed")
        CLOSED = "closed", _("closed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    # The agent's own name for it.
    interrupt_id = models.CharField(max_length=INTERRUPT_CHARS)
    # As JSON in ASCII: an agent may put into it what no column of PostgreSQL's JSON holds.
    schema = models.TextField(blank=True)
    # The request for consent whose end answers it, if it is one.
    consent_id = models.UUIDField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    answer = models.TextField(blank=True)  # as `schema`; empty: the agent is told `cancelled`
    lapses_at = models.DateTimeField()
    stale_at = models.DateTimeField(null=True)  # from when on the agent takes no answer
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "approved", "declined", "answered", "lapsed", "closed"]
                ),
                name="portal_an_approval_has_a_known_state",
            ),
            models.CheckConstraint(
                condition=Q(answer="")
                | Q(state__in=["approved", "declined", "answered"], sent_at__isnull=True),
                name="portal_an_answer_is_given_and_kept_until_it_is_sent",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def schema_given(self) -> dict[str, Any] | None:
        """Return the schema of its answer, as the agent gave it."""
        return json.loads(self.schema) if self.schema else None

    @property
    def resume(self) -> dict[str, Any]:
        """Return what the agent is told of it."""
        told = {"interruptId": self.interrupt_id}
        if not self.answer:
            return told | {"status": "cancelled"}
        return told | {"status": "resolved", **json.loads(self.answer)}
