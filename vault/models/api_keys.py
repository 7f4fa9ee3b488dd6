"""Third parties that take one key of this site, and no person's consent."""

from __future__ import annotations

import uuid
from typing import cast

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core.secret import Secret
from vault.models.kept_secret import KeptSecret, SecretSource
from vault.models.providers import NAME


class ApiKeyProvider(KeptSecret):
    """A key for a third party, and who may have it. All of them get the same one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        _("name"),
        max_length=128,
        unique=True,
        validators=[NAME],
        help_text=_("The technical name by which agents ask for it."),
    )
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Switched off, nobody gets the key, at once.")
    )
    any_workload = models.BooleanField(
        _("any workload identity"), default=False, help_text=_("Every agent may have the key.")
    )
    workloads = models.ManyToManyField(
        WorkloadIdentity,
        verbose_name=_("workload identities"),
        blank=True,
        related_name="+",
        help_text=_("The agents that may have the key."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("API key provider")
        verbose_name_plural = _("API key providers")
        ordering = ["name"]
        constraints = [
            *KeptSecret.Meta.constraints,
            models.CheckConstraint(
                condition=Q(secret_sealed__isnull=False) | Q(secret_source=SecretSource.EXTERNAL),
                name="vault_an_api_key_provider_has_a_key",
                violation_error_message=_("An API key is needed."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def key(self) -> Secret:
        """Return the key, which the database lets no row be without. Raises as `kept_secret`."""
        return cast(Secret, self.kept_secret())
