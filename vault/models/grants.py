"""What people granted."""

from __future__ import annotations

import uuid
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core.crypto import Binding
from core.models.tokens import SealedTokens
from core.subject import Subject
from vault.models.parties import RowsOfParties
from vault.models.providers import CredentialProvider


class Outcome(models.TextChoices):
    """What became of an ended access at its provider. Here it is over in every case."""

    REVOKED_AT_PROVIDER = "revoked_at_provider", _("ended at the provider too")
    NO_ENDPOINT = "no_endpoint", _("the provider has no way to be told")
    PROVIDER_AWAY = "provider_away", _("the provider is away, and told later")
    GIVEN_UP = "given_up", _("the provider was not to be told in three days")
    UNREADABLE = "unreadable", _("the provider was not told: the key was lost")


class Grants(RowsOfParties["Grant"]):
    """What people granted."""

    def held(self) -> Self:
        """Return those that are not over."""
        return self.exclude(state=SealedTokens.State.REVOKED)


class Grant(SealedTokens):
    """One person's grant at one provider, held for one workload identity and given to no other.

    Where it was asked for particular resources or audiences, it answers for these alone: `target`
    is their key (`vault.asked.wanted.target_of`), empty where none was named.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workload_identity = models.ForeignKey(
        WorkloadIdentity,
        models.PROTECT,
        verbose_name=_("workload identity"),
        related_name="+",
    )
    user_iss = models.CharField(_("issuer"), max_length=512)
    user_sub = models.CharField(_("subject"), max_length=255)
    provider = models.ForeignKey(
        CredentialProvider, models.PROTECT, verbose_name=_("provider"), related_name="+"
    )
    scopes = ArrayField(models.TextField(), verbose_name=_("scopes"), default=list)
    resources = ArrayField(models.TextField(), verbose_name=_("resources"), default=list)
    audiences = ArrayField(models.TextField(), verbose_name=_("audiences"), default=list)
    target = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(_("first granted"), auto_now_add=True)
    granted_at = models.DateTimeField(_("granted"))
    last_used_at = models.DateTimeField(_("last used"), null=True)
    last_used_session = models.CharField(_("last used in session"), max_length=256, blank=True)
    # The tokens over whose trouble the person does not want to be told again.
    dismissed_generation = models.PositiveIntegerField(null=True)
    # How it ended. No name: the person ended it.
    revoked_at = models.DateTimeField(_("ended"), null=True)
    revoked_by = models.CharField(
        _("ended by"), max_length=255, blank=True, default="", db_default=""
    )
    revocation_outcome = models.CharField(
        _("at the provider"),
        max_length=20,
        choices=Outcome,
        blank=True,
        default="",
        db_default="",
    )

    objects = Grants.as_manager()

    class Meta(SealedTokens.Meta):
        abstract = False
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        ordering = ["-granted_at"]
        permissions = [("revoke_grant", "Can revoke a grant")]
        indexes = [
            # Provider by provider: one that is left alone does not stand before the others.
            models.Index(
                fields=["provider", "next_refresh_at"],
                condition=Q(state="live", next_refresh_at__isnull=False),
                name="vault_grant_due_at_provider",
            ),
            models.Index(
                fields=["provider"],
                condition=Q(spending_by__isnull=False),
                name="vault_grant_under_way",
            ),
            models.Index(
                fields=["provider"],
                condition=Q(state="live", failures__gt=0),
                name="vault_grant_failing",
            ),
            models.Index(fields=["user_sub", "user_iss"], name="vault_grant_by_person"),
        ]
        constraints = [
            *SealedTokens.Meta.constraints,
            models.UniqueConstraint(
                fields=["user_sub", "user_iss", "workload_identity", "provider", "target"],
                condition=Q(state="live"),
                name="vault_one_live_grant_per_workload_person_provider_target",
            ),
            models.CheckConstraint(
                condition=~Q(state="live") | Q(access_sealed__isnull=False),
                name="vault_a_live_grant_holds_a_token",
            ),
            models.CheckConstraint(
                condition=Q(state="revoked")
                | Q(revoked_at__isnull=True, revoked_by="", revocation_outcome=""),
                name="vault_only_a_revoked_grant_says_how_it_ended",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def subject(self) -> Subject:
        """Return the person who granted it."""
        return Subject(self.user_iss, self.user_sub)

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`, in the token vault."""
        return self.place(
            column,
            row=self.pk,
            workload_id=self.workload_identity_id,
            provider_id=self.provider_id,
            subject=self.subject,
        )

    @classmethod
    def place(
        cls,
        column: str,
        *,
        row: uuid.UUID,
        workload_id: int,
        provider_id: uuid.UUID,
        subject: Subject,
    ) -> Binding:
        """Return the same for a row of which nothing else is loaded."""
        owner = f"{workload_id}:{provider_id}:{subject.owner}"
        return Binding(cls._meta.db_table, str(row), column, owner, vault=True)

    @property
    def agent_name(self) -> str:
        """Return what people call the agent that holds it."""
        return self.workload_identity.agent_name
