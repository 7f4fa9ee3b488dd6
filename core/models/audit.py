"""The audit trail's rows."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """One thing that was done, refused or failed. Rows are only ever added.

    A trigger of the database refuses UPDATE and DELETE, so that no path through this code, nor a
    mistake in it, rewrites the trail.
    """

    class Outcome(models.TextChoices):
        ALLOWED = "allowed", _("allowed")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed")

    at = models.DateTimeField(_("time"), db_index=True)
    action = models.CharField(_("action"), max_length=64)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    subject_iss = models.CharField(_("issuer"), max_length=512, blank=True)
    subject_sub = models.CharField(_("subject"), max_length=255, blank=True)
    actor = models.CharField(_("actor"), max_length=255, blank=True)
    agent = models.CharField(_("agent"), max_length=128, blank=True)
    workload = models.CharField(_("workload identity"), max_length=255, blank=True)
    provider = models.CharField(_("credential provider"), max_length=128, blank=True)
    client = models.CharField(_("client"), max_length=255, blank=True)
    reference = models.CharField(_("reference"), max_length=36, blank=True, db_index=True)
    client_ip = models.GenericIPAddressField(_("client address"), null=True, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [
            models.Index(fields=["action", "-at"], name="core_audit_by_action"),
            models.Index(fields=["subject_sub", "-at"], name="core_audit_by_subject"),
            models.Index(fields=["agent", "-at"], name="core_audit_by_agent"),
            # What was let through, most of the trail, does not pay for it.
            models.Index(
                fields=["outcome", "-at"],
                include=["action", "reason"],
                condition=Q(outcome__in=["refused", "failed"]),
                name="core_audit_mishaps",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.outcome}"
