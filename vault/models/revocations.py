"""Tokens that nobody may use any more, on their way to be ended at the provider."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.crypto import Binding, open_sealed, seal
from core.secret import Secret
from core.subject import Subject
from vault.models.grants import Grant
from vault.models.providers import CredentialProvider


class Revocation(models.Model):
    """What is left to tell a provider. The row goes as soon as it knows, or is given up on.

    No path that releases a token reads this table: a disconnected grant is forgotten for use in the
    transaction that makes this row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.ForeignKey(CredentialProvider, models.CASCADE, related_name="+")
    # The grant that says what comes of it, if these were the tokens of one that is still kept.
    grant = models.ForeignKey(Grant, models.SET_NULL, null=True, related_name="+")
    workload_name = models.CharField(max_length=255)
    user_iss = models.CharField(max_length=512)
    user_sub = models.CharField(max_length=255)
    access_sealed = models.BinaryField()
    refresh_sealed = models.BinaryField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("revocation")
        verbose_name_plural = _("revocations")

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def subject(self) -> Subject:
        """Return the person whose tokens they were."""
        return Subject(self.user_iss, self.user_sub)

    def seal_tokens(self, access: Secret, refresh: Secret | None) -> None:
        """Put both tokens, sealed, into the columns of this row. Does not save."""
        self.access_sealed = seal(access, bound_to=self.binding("access_sealed"))
        if refresh is not None:
            self.refresh_sealed = seal(refresh, bound_to=self.binding("refresh_sealed"))

    def access_token(self) -> Secret:
        """Return the opened access token. Raises SealBroken, KeyMissing."""
        return open_sealed(self.access_sealed, bound_to=self.binding("access_sealed"))

    def refresh_token(self) -> Secret | None:
        """Return the opened refresh token, if there is one. Raises SealBroken, KeyMissing."""
        if self.refresh_sealed is None:
            return None
        return open_sealed(self.refresh_sealed, bound_to=self.binding("refresh_sealed"))

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`, in the token vault."""
        owner = f"{self.provider_id}:{self.workload_name}:{self.subject.owner}"
        return Binding("vault_revocation", str(self.pk), column, owner, vault=True)
