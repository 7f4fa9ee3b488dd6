"""Orders to end all access of somebody or something, and how far they came."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core.audit import Actor
from core.subject import Subject
from vault.models.grants import Outcome
from vault.models.providers import CredentialProvider


class AccessEnding(models.Model):
    """An admin's order to end all that a workload identity, a person or a provider's people hold.

    The work is done in batches by whichever worker comes by, and this row is all that is known of
    it: a worker that dies leaves it as it was after the last batch. `vault.ending.cascade` alone
    writes.
    """

    class Kind(models.TextChoices):
        WORKLOAD = "workload", _("agent")
        PERSON = "person", _("person")
        PROVIDER = "provider", _("provider")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("what"), max_length=8, choices=Kind)
    name = models.CharField(_("whose access"), max_length=255)
    # What is gone is told by its name.
    workload_identity = models.ForeignKey(
        WorkloadIdentity, models.SET_NULL, null=True, related_name="+"
    )
    provider = models.ForeignKey(CredentialProvider, models.SET_NULL, null=True, related_name="+")
    user_iss = models.CharField(max_length=512, blank=True)
    user_sub = models.CharField(max_length=255, blank=True)
    deletes = models.BooleanField(_("deletes"), default=False)  # a provider, once it was told
    ordered_by = models.CharField(_("ordered by"), max_length=255)
    ordered_by_iss = models.CharField(max_length=512, blank=True)
    ordered_by_sub = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(_("ordered"), default=timezone.now)
    total = models.PositiveIntegerField(_("connections"))
    ended = models.PositiveIntegerField(_("ended here"), default=0)
    # How many ended with which `Outcome`, when it was last looked at.
    outcomes = models.JSONField(_("at the providers"), default=dict)
    # The last grant, by key, of which this was done.
    reached = models.UUIDField(null=True)
    next_step_at = models.DateTimeField(null=True, default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("end of access")
        verbose_name_plural = _("ends of access")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["next_step_at"],
                condition=Q(finished_at__isnull=True),
                name="vault_access_ending_due",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, next_step_at__isnull=False)
                | Q(finished_at__isnull=False, next_step_at__isnull=True),
                name="vault_an_access_ending_goes_on_until_it_is_finished",
            ),
            models.UniqueConstraint(
                fields=["provider"],
                condition=Q(deletes=True, finished_at__isnull=True),
                name="vault_a_provider_is_deleted_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def actor(self) -> Actor:
        """Return who ordered it."""
        known = bool(self.ordered_by_iss)
        by = Subject(self.ordered_by_iss, self.ordered_by_sub) if known else None
        return Actor(self.ordered_by, by)

    def count(self, outcome: Outcome) -> int:
        """Return how many ended with `outcome`."""
        return int(self.outcomes.get(outcome.value, 0))
