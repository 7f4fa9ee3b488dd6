"""Under which identity an agent acts, and the keys with which its process proves it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.arns import workload_identity_arn
from core.crypto import Binding, open_sealed
from core.secret import Secret

NAME = RegexValidator(
    r"\A[A-Za-z0-9_.-]{3,255}\Z", _("3 to 255 letters, digits, dots, dashes and underscores.")
)


class WorkloadIdentity(models.Model):
    """The identity that an agent acts under, and that every grant is bound to."""

    name = models.CharField(_("name"), max_length=255, unique=True, validators=[NAME])
    allowed_return_urls = ArrayField(
        models.CharField(max_length=2048),
        verbose_name=_("allowed return URLs"),
        default=list,
        blank=True,
        help_text=_(
            "Where a person may be sent after consent, besides this site's own page. Exact URLs."
        ),
    )
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("Switched off, the identity gets no token of anybody, at once."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("workload identity")
        verbose_name_plural = _("workload identities")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def arn(self) -> str:
        """Return the identity's ARN."""
        return workload_identity_arn(self.name)

    @property
    def agent_id(self) -> str:
        """Return the id of the agent that it belongs to, or the empty string."""
        agent = getattr(self, "agent", None)
        return agent.agent_id if agent else ""


class AccessKey(models.Model):
    """A key pair that signs calls to the wire API (SigV4).

    An agent's is good for its workload identity alone; an operator's is bound to none and may do
    everything. SigV4 is an HMAC, so the secret must be had in clear to check a signature: it is
    sealed, not hashed.
    """

    class Kind(models.TextChoices):
        AGENT = "agent", _("agent key")
        OPERATOR = "operator", _("operator key")

    access_key_id = models.CharField(_("access key id"), max_length=32, unique=True)
    secret_sealed = models.BinaryField()
    label = models.CharField(_("label"), max_length=100)
    # Stated, so that an identity which was merely not chosen never makes an operator's key.
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    workload_identity = models.ForeignKey(
        WorkloadIdentity,
        models.CASCADE,
        verbose_name=_("workload identity"),
        null=True,
        blank=True,
        related_name="access_keys",
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("access key")
        verbose_name_plural = _("access keys")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="agent", workload_identity__isnull=False)
                | Q(kind="operator", workload_identity__isnull=True),
                name="agents_a_key_is_an_operators_or_has_an_identity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.access_key_id})"

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`."""
        owner = str(self.workload_identity_id or "operator")
        return Binding("agents_accesskey", self.access_key_id, column, owner)

    def secret(self) -> Secret:
        """Return the opened secret access key. Raises SealBroken, KeyMissing."""
        return open_sealed(self.secret_sealed, bound_to=self.binding("secret_sealed"))
