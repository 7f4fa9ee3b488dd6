"""Data keys, and the choice of what wraps those of the token vault."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class DataKey(models.Model):
    """A key that seals values, itself wrapped by a key of the ring or by one in AWS KMS.

    One at a time seals for each purpose. The others open what they sealed, until `core.rotation`
    finds that nothing is left of it.
    """

    class Purpose(models.TextChoices):
        SITE = "site", _("the site's own secrets")
        VAULT = "vault", _("tokens of third parties")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(
        _("purpose"), max_length=5, choices=Purpose, default=Purpose.SITE, db_default=Purpose.SITE
    )
    # An id of the key ring, which holds no colon, or the ARN of a KMS key.
    kek_id = models.CharField(_("key id"), max_length=255, db_index=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    # When another one took over. A process seals under this one for a few seconds longer.
    retired_at = models.DateTimeField(null=True)
    # When no row was left that an older key had sealed: the rotation to this key is complete.
    resealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("data key")
        verbose_name_plural = _("data keys")
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"],
                condition=Q(retired_at__isnull=True),
                name="core_one_data_key_seals_for_each_purpose",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.kek_id})"


class TokenVault(models.Model):
    """The vault of the wire API, of which there is one: what wraps the data keys of its tokens."""

    DEFAULT = "default"

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    # Of a KMS key. Empty: what wraps the site's own data keys, as the environment says.
    kms_key_arn = models.CharField(_("customer managed key"), max_length=255, blank=True)
    # Of a deleted KMS key, for as long as tokens that it took with it are still being forgotten.
    lost_key_arn = models.CharField(max_length=255, blank=True)
    # Who had them forgotten, for the record of each.
    reset_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    # Counts changes, so that of two at once one is told.
    version = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("token vault")
        verbose_name_plural = _("token vaults")

    def __str__(self) -> str:
        return self.name
