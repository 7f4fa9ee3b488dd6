"""A secret that another party gave this site: sealed in the row, or read from where it stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import external_secrets
from core.crypto import Binding, open_sealed, seal
from core.secret import Secret


class SecretSource(models.TextChoices):
    """Where a secret is kept, in the wire API's words."""

    MANAGED = "MANAGED", _("sealed in this site's database")
    EXTERNAL = "EXTERNAL", _("read from AWS Secrets Manager")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret stays in AWS Secrets Manager: in which one, and under which JSON key."""

    secret_id: str
    json_key: str


class KeptSecret(models.Model):
    """A row with one secret, kept here (MANAGED) or in AWS Secrets Manager (EXTERNAL), never both.

    A subclass may name the column of `secret_sealed` as it was before; what is sealed is bound to
    the column's name in the database.
    """

    secret_sealed = models.BinaryField(null=True)
    secret_source = models.CharField(
        _("secret kept"), max_length=8, choices=SecretSource, default=SecretSource.MANAGED
    )
    external_secret_id = models.CharField(
        _("secret's name or ARN"),
        max_length=2048,
        blank=True,
        help_text=_("In AWS Secrets Manager. This site reads it when it is needed."),
    )
    external_json_key = models.CharField(
        _("JSON key"),
        max_length=128,
        blank=True,
        help_text=_("Under which the value stands in that secret."),
    )

    # Of whom the sealed value is; these rows belong to nobody but the site.
    SEALED_FOR: ClassVar[str] = "site"

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    secret_source=SecretSource.MANAGED, external_secret_id="", external_json_key=""
                )
                | (
                    Q(secret_source=SecretSource.EXTERNAL, secret_sealed__isnull=True)
                    & ~Q(external_secret_id="")
                    & ~Q(external_json_key="")
                ),
                name="%(app_label)s_%(class)s_keeps_its_secret_in_one_place",
                violation_error_message=_(
                    "Give the secret itself, or its name and JSON key in AWS Secrets Manager."
                ),
            ),
        ]

    @property
    def has_secret(self) -> bool:
        """Say whether there is a secret, or at least a place that should hold one."""
        return self.secret_sealed is not None or self.secret_source == SecretSource.EXTERNAL

    def kept_secret(self) -> Secret | None:
        """Return the secret, or None where none was given.

        Blocks on AWS where the secret stays there.

        Raises:
            SealBroken, KeyMissing: it is here and does not open.
            ExternalSecretUnavailable, ExternalSecretMissing: it is there and cannot be read.
        """
        if self.secret_source == SecretSource.EXTERNAL:
            return external_secrets.read(self.external_secret_id, self.external_json_key)
        if self.secret_sealed is None:
            return None
        return open_sealed(self.secret_sealed, bound_to=self.binding("secret_sealed"))

    def keep_secret(self, secret: Secret | None) -> None:
        """Put `secret`, sealed, into this row; None forgets the one there was. Does not save."""
        self.secret_source = SecretSource.MANAGED
        self.external_secret_id = self.external_json_key = ""
        self.secret_sealed = (
            None if secret is None else seal(secret, bound_to=self.binding("secret_sealed"))
        )

    def keep_reference(self, secret_id: str, json_key: str) -> None:
        """Read the secret from AWS Secrets Manager from now on. Forgets one that was sealed here.

        Does not save.
        """
        self.secret_source = SecretSource.EXTERNAL
        self.external_secret_id, self.external_json_key = secret_id, json_key
        self.secret_sealed = None

    def keep_new(self, given: Secret | SecretReference | None) -> None:
        """Keep what was given: the secret, or where it stays. None: what is kept stays.

        Does not save.
        """
        if isinstance(given, SecretReference):
            self.keep_reference(given.secret_id, given.json_key)
        elif given is not None:
            self.keep_secret(given)

    def binding(self, field: str) -> Binding:
        """Return the one place at which the sealed value of this row's `field` opens."""
        columns = {each.name: each.db_column or each.name for each in self._meta.concrete_fields}
        return Binding(self._meta.db_table, str(self.pk), columns[field], self.SEALED_FOR)
