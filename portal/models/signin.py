"""Sign-ins."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.crypto import Binding
from core.models.tokens import SealedTokens
from core.secret import Secret


class SignIn(SealedTokens):
    """One person signed in with one browser: the tokens that their session stands for.

    The browser's session holds this row's id and nothing else of it; tokens exist here alone,
    sealed.
    """

    # What the place of a sealed value is made of.
    SEALED_WITH: ClassVar[tuple[str, ...]] = ("user",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    id_token_sealed = models.BinaryField(null=True)  # the hint at sign-out
    # The session at the identity provider, by which that one says that it is over; empty: unknown.
    sid = models.CharField(max_length=255, blank=True, editable=False)
    # What the browser said it is, for the person to know it again; it proves nothing.
    user_agent = models.CharField(max_length=256, blank=True, editable=False)
    seen_at = models.DateTimeField(_("last seen"), null=True, editable=False)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta(SealedTokens.Meta):
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")
        permissions = [("end_signin", "Can sign people out")]
        indexes = [
            models.Index(fields=["sid"], condition=~Q(sid=""), name="portal_signin_by_sid"),
        ]
        constraints = [
            *SealedTokens.Meta.constraints,
            models.CheckConstraint(
                condition=Q(state="revoked", ended_at__isnull=False, id_token_sealed__isnull=True)
                | (~Q(state="revoked") & Q(ended_at__isnull=True)),
                name="portal_an_ended_signin_is_revoked_and_empty",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`; moved to somebody else's it does not open."""
        return Binding(self._meta.db_table, str(self.pk), column, self.user.subject.owner)

    @property
    def is_live(self) -> bool:
        """Say whether it stands: not ended, and not refused by the provider."""
        return self.state == self.State.LIVE

    def id_token(self) -> Secret | None:
        """Return the opened ID token. Raises SealBroken, KeyMissing."""
        return self._open("id_token_sealed")


class UsedLogoutToken(models.Model):
    """A logout token that was obeyed, by a hash of its issuer and id: it is obeyed once.

    Kept for as long as the token would pass its other checks.
    """

    id = models.CharField(primary_key=True, max_length=64)
    forget_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("used logout token")
        verbose_name_plural = _("used logout tokens")

    def __str__(self) -> str:
        return self.id
