"""Tokens of an OAuth 2.0 grant, kept sealed, with the marks that spend a refresh token once."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.crypto import Binding, open_sealed, seal
from core.oauth import Tokens
from core.secret import Secret

# Renewed when between a fifth and a third of the lifetime is left: spread, so that grants made
# together are not renewed together.
_LEAD_FRACTION = (0.2, 0.33)
_LEAD_MAX_S = 600.0


class SealedTokens(models.Model):
    """An access token and its refresh token at one authorization server.

    The refresh token may rotate, so that a second use of it revokes the whole grant (RFC 9700
    section 4.14.2). `core.refreshing` is the only writer of `generation` and of the `spending_*`
    marks, and `store` the only place where tokens enter.
    """

    class State(models.TextChoices):
        LIVE = "live", _("connected")
        LAPSED = "lapsed", _("needs reconnecting")
        REVOKED = "revoked", _("disconnected")

    state = models.CharField(_("state"), max_length=8, choices=State, default=State.LIVE)
    access_sealed = models.BinaryField(null=True)
    refresh_sealed = models.BinaryField(null=True)
    access_expires_at = models.DateTimeField(_("access token expires"), null=True)
    next_refresh_at = models.DateTimeField(_("next refresh"), null=True)
    refreshed_at = models.DateTimeField(_("last refreshed"), null=True)
    # Unknown until the first refresh, and taken as "rotates" until then.
    rotates = models.BooleanField(_("refresh token rotates"), null=True)
    generation = models.PositiveIntegerField(default=0)
    # The write-ahead mark: who spends the refresh token of this generation, and since when.
    # `spending_since` without `spending_by`: it was sent, and nobody knows what became of it.
    spending_by = models.UUIDField(null=True)
    spending_since = models.DateTimeField(null=True)
    spending_retried = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    last_failure = models.CharField(_("last failure"), max_length=64, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="revoked")
                | Q(access_sealed__isnull=True, refresh_sealed__isnull=True),
                name="%(app_label)s_%(class)s_revoked_holds_no_secret",
            ),
        ]

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`, with whom its tokens belong to."""
        raise NotImplementedError

    def access_token(self) -> Secret | None:
        """Return the opened access token. Raises SealBroken, KeyMissing."""
        return self._open("access_sealed")

    def refresh_token(self) -> Secret | None:
        """Return the opened refresh token. Raises SealBroken, KeyMissing."""
        return self._open("refresh_sealed")

    def _open(self, column: str) -> Secret | None:
        sealed = getattr(self, column)
        return None if sealed is None else open_sealed(sealed, bound_to=self.binding(column))

    def is_fresh(self, *, at: datetime, leeway_s: float) -> bool:
        """Say whether the access token outlives `at` by more than `leeway_s`; unstated: it does."""
        if self.access_sealed is None:
            return False
        expires = self.access_expires_at
        return expires is None or (expires - at).total_seconds() > leeway_s

    def columns_of(self, tokens: Tokens) -> dict[str, Any]:
        """Return the columns, sealed, that store `tokens` in this row.

        An answer without a refresh token keeps the old one (RFC 6749 section 6).
        """
        now = timezone.now()
        columns: dict[str, Any] = {
            "access_sealed": seal(tokens.access, bound_to=self.binding("access_sealed")),
            "access_expires_at": None,
            "next_refresh_at": None,
            "failures": 0,
            "last_failure": "",
        }
        if tokens.refresh is not None:
            columns["refresh_sealed"] = seal(
                tokens.refresh, bound_to=self.binding("refresh_sealed")
            )
        if tokens.expires_in_s is not None:
            columns["access_expires_at"] = now + timedelta(seconds=tokens.expires_in_s)
            if tokens.refresh is not None or self.refresh_sealed is not None:
                share = random.uniform(*_LEAD_FRACTION)  # noqa: S311  (spread, not secrecy)
                lead_s = min(tokens.expires_in_s * share, _LEAD_MAX_S)
                columns["next_refresh_at"] = columns["access_expires_at"] - timedelta(
                    seconds=lead_s
                )
        return columns
