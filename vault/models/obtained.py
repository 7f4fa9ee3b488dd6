"""Tokens that a workload identity got without asking a person, kept while they are good."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core.crypto import Binding, open_sealed, seal
from core.secret import Secret
from core.subject import Subject
from vault.models.parties import RowsOfParties
from vault.models.providers import CredentialProvider


class ObtainedTokens(RowsOfParties["ObtainedToken"]):
    """Rows, of which some only wait for an answer."""

    def good(self) -> Self:
        """Return those that hold a token that is good still; the others are deleted by and by."""
        return self.filter(access_sealed__isnull=False, expires_at__gt=timezone.now())


class ObtainedToken(models.Model):
    """One answer of a token endpoint to client credentials or to an exchange, or the wait for it.

    It is never refreshed: shortly before it expires it is asked for anew. Nothing is lost with a
    row but one request. `vault.flows.obtaining` alone fills it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workload_identity = models.ForeignKey(
        WorkloadIdentity, models.CASCADE, verbose_name=_("workload identity"), related_name="+"
    )
    provider = models.ForeignKey(
        CredentialProvider, models.CASCADE, verbose_name=_("provider"), related_name="+"
    )
    # Whose access it is: a person's, or the workload identity's own (`Subject.of_workload`).
    user_iss = models.CharField(_("issuer"), max_length=512)
    user_sub = models.CharField(_("subject"), max_length=255)
    # A keyed hash of all that was asked for. Custom parameters may be secret, and short.
    asked_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.TextField(), verbose_name=_("scopes"), default=list)
    resources = ArrayField(models.TextField(), default=list)
    audiences = ArrayField(models.TextField(), default=list)
    access_sealed = models.BinaryField(null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)
    obtained_at = models.DateTimeField(_("obtained"), null=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    generation = models.PositiveIntegerField(default=0)
    # Who asks the provider at this moment, and since when.
    asking_by = models.UUIDField(null=True)
    asking_since = models.DateTimeField(null=True)
    # What the last request failed with, and until when nobody repeats it.
    failure = models.CharField(max_length=64, blank=True)
    failure_words = models.CharField(max_length=512, blank=True)
    failed_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ObtainedTokens.as_manager()

    class Meta:
        verbose_name = _("obtained token")
        verbose_name_plural = _("obtained tokens")
        indexes = [
            models.Index(fields=["expires_at"], name="vault_obtained_expiry"),
            models.Index(fields=["user_sub", "user_iss"], name="vault_obtained_by_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["workload_identity", "provider", "user_sub", "user_iss", "asked_hash"],
                name="vault_one_obtained_token_for_equal_questions",
            ),
            models.CheckConstraint(
                condition=Q(
                    access_sealed__isnull=True, expires_at__isnull=True, obtained_at__isnull=True
                )
                | Q(
                    access_sealed__isnull=False, expires_at__isnull=False, obtained_at__isnull=False
                ),
                name="vault_an_obtained_token_says_until_when",
            ),
            models.CheckConstraint(
                condition=Q(asking_by__isnull=True, asking_since__isnull=True)
                | Q(asking_by__isnull=False, asking_since__isnull=False),
                name="vault_who_asks_says_since_when",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def subject(self) -> Subject:
        """Return whose access it is."""
        return Subject(self.user_iss, self.user_sub)

    def is_good(self, *, at: datetime, leeway_s: float) -> bool:
        """Say whether the token outlives `at` by more than `leeway_s` and fits the provider.

        A token from before an admin changed the provider may be another client's, or another's.
        """
        if self.expires_at is None or self.obtained_at is None:
            return False
        left_s = (self.expires_at - at).total_seconds()
        return left_s > leeway_s and self.obtained_at >= self.provider.updated_at

    def access_token(self) -> Secret:
        """Return the opened access token. Raises SealBroken, KeyMissing."""
        return open_sealed(self.access_sealed or b"", bound_to=self.binding("access_sealed"))

    def sealed(self, token: Secret) -> bytes:
        """Return `token` sealed so that it opens in this row alone."""
        return seal(token, bound_to=self.binding("access_sealed"))

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`, in the token vault."""
        owner = f"{self.workload_identity_id}:{self.provider_id}:{self.subject.owner}"
        return Binding(self._meta.db_table, str(self.pk), column, owner, vault=True)
