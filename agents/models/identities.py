"""Under which identity an agent acts, and the keys with which its process proves it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
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

    @property
    def agent_name(self) -> str:
        """Return what people call the agent that it belongs to; without one, its own name."""
        agent = getattr(self, "agent", None)
        return agent.display_name if agent else self.name


class AccessKey(models.Model):
    """A key pair that signs calls to the wire API (SigV4).

    An agent's is good for its workload identity alone; an operator's is bound to none. Either may
    be limited to some operations. SigV4 is an HMAC, so the secret must be had in clear to check a
    signature: it is sealed, not hashed. Revoking a key erases it.
    """

    class Kind(models.TextChoices):
        AGENT = "agent", _("agent key")
        OPERATOR = "operator", _("operator key")

    access_key_id = models.CharField(_("access key id"), max_length=32, unique=True)
    secret_sealed = models.BinaryField(null=True)  # null: revoked
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
    operations = ArrayField(
        models.CharField(max_length=100),
        verbose_name=_("operations"),
        default=list,
        blank=True,
        help_text=_("What the key may be used for. None chosen: all that its kind may do."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    expires_at = models.DateTimeField(
        _("expires (UTC)"),
        null=True,
        blank=True,
        help_text=_("From then on the key is refused. Empty: it does not expire."),
    )
    revoked_at = models.DateTimeField(_("revoked (UTC)"), null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used (UTC)"), null=True, editable=False)
    replaces = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="replaced_by"
    )
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
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, secret_sealed__isnull=False)
                | Q(revoked_at__isnull=False, secret_sealed__isnull=True, enabled=False),
                name="agents_a_revoked_key_holds_no_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.access_key_id})"

    def is_live(self, *, at: datetime) -> bool:
        """Say whether the key can be used."""
        return self.enabled and not self.is_expired(at=at)

    def is_expired(self, *, at: datetime) -> bool:
        """Say whether the key's time is over."""
        return self.expires_at is not None and self.expires_at <= at

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`."""
        owner = str(self.workload_identity_id or "operator")
        return Binding("agents_accesskey", self.access_key_id, column, owner)

    def secret(self) -> Secret:
        """Return the opened secret access key.

        Raises:
            SealBroken, KeyMissing: it does not open, as that of a revoked key.
        """
        return open_sealed(self.secret_sealed or b"", bound_to=self.binding("secret_sealed"))


class SpentSignature(models.Model):
    """A signature that a call was made with. It stays as long as it could be replayed."""

    signature = models.BinaryField(primary_key=True)
    first_at = models.DateTimeField(db_default=Now())
    good_until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return bytes(self.signature).hex()
