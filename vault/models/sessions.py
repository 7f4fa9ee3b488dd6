"""One person's journey through a provider's consent page."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core.crypto import Binding, open_sealed, seal
from core.secret import Secret
from core.subject import Subject
from vault.asked.wanted import target_of
from vault.models.parties import RowsOfParties
from vault.models.providers import CredentialProvider


class ConsentSession(models.Model):
    """A request for one person's consent at one provider: ten minutes, one use.

    Its request URI is a capability, so it is kept sealed, and found by its hash. Tokens stand here
    only between the exchange of the code and the proof that the right person consented.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting for the person")
        AUTHORIZING = "authorizing", _("at the provider")
        EXCHANGING = "exchanging", _("exchanging the code")
        EXCHANGED = "exchanged", _("waiting for proof of the person")
        COMPLETED = "completed", _("granted")
        DENIED = "denied", _("denied")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("expired")

    OPEN = (Status.PENDING, Status.AUTHORIZING, Status.EXCHANGING, Status.EXCHANGED)
    _TOKENS = ("access_sealed", "refresh_sealed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request_uri_hash = models.CharField(max_length=64, unique=True)
    request_uri_sealed = models.BinaryField()
    workload_identity = models.ForeignKey(
        WorkloadIdentity, models.CASCADE, verbose_name=_("workload identity"), related_name="+"
    )
    provider = models.ForeignKey(
        CredentialProvider, models.CASCADE, verbose_name=_("provider"), related_name="+"
    )
    user_iss = models.CharField(_("issuer"), max_length=512)
    user_sub = models.CharField(_("subject"), max_length=255)
    scopes = ArrayField(models.TextField(), verbose_name=_("scopes"), default=list)
    resources = ArrayField(models.CharField(max_length=2048), default=list)
    audiences = ArrayField(models.CharField(max_length=2048), default=list)
    custom_parameters_sealed = models.BinaryField(null=True)
    return_url = models.CharField(_("return URL"), max_length=2048)
    custom_state_sealed = models.BinaryField(null=True)
    forced = models.BooleanField(_("new consent forced"), default=False)
    # The runtime session in which the agent was called: where the consent card is shown.
    runtime_session_id = models.CharField(max_length=256, blank=True)

    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PENDING)
    state_hash = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  (unique)
    browser_hash = models.CharField(max_length=64, blank=True)
    verifier_sealed = models.BinaryField(null=True)
    access_sealed = models.BinaryField(null=True)
    refresh_sealed = models.BinaryField(null=True)
    access_expires_at = models.DateTimeField(null=True)
    granted_scopes = ArrayField(models.TextField(), default=list)
    early_completions = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(_("failure"), max_length=64, blank=True)
    provider_words = models.CharField(_("the provider's words"), max_length=512, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = RowsOfParties.as_manager()

    class Meta:
        verbose_name = _("consent session")
        verbose_name_plural = _("consent sessions")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(status__in=["pending", "authorizing", "exchanging", "exchanged"]),
                name="vault_consent_open",
            ),
            models.Index(
                fields=["user_sub", "workload_identity", "provider"],
                condition=Q(status__in=["pending", "authorizing", "exchanging", "exchanged"]),
                name="vault_consent_open_by_person",
            ),
            models.Index(fields=["runtime_session_id"], name="vault_consent_by_runtime"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="exchanged")
                | Q(access_sealed__isnull=True, refresh_sealed__isnull=True),
                name="vault_only_an_exchanged_consent_holds_tokens",
            ),
            models.CheckConstraint(
                condition=~Q(status="exchanged") | Q(access_sealed__isnull=False),
                name="vault_an_exchanged_consent_holds_a_token",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["authorizing", "exchanging"])
                | Q(verifier_sealed__isnull=True),
                name="vault_only_a_consent_under_way_holds_a_verifier",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["pending", "authorizing", "exchanging", "exchanged"],
                    ended_at__isnull=True,
                )
                | Q(
                    status__in=["completed", "denied", "failed", "expired"],
                    ended_at__isnull=False,
                    custom_state_sealed__isnull=True,
                    custom_parameters_sealed__isnull=True,
                ),
                name="vault_a_consent_that_ended_says_when_and_forgets",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def subject(self) -> Subject:
        """Return the person who was asked."""
        return Subject(self.user_iss, self.user_sub)

    @property
    def agent_name(self) -> str:
        """Return what people call the agent that asks."""
        return self.workload_identity.agent_name

    @property
    def target(self) -> str:
        """Return the key of where the tokens are to be used."""
        return target_of(self.resources, self.audiences)

    def is_open(self, *, at: datetime) -> bool:
        """Say whether the journey may still go on."""
        return self.status in self.OPEN and at < self.expires_at

    def request_uri(self) -> str:
        """Return the opened request URI, which is the wire API's `sessionUri`."""
        return self._open("request_uri_sealed").reveal()

    def authorization_url(self) -> str:
        """Return the link on which the person's journey starts. Whoever has it can open it."""
        asked = quote(self.request_uri(), safe="")
        return f"{settings.SITE_URL}/identities/oauth2/authorize?request_uri={asked}"

    def custom_state(self) -> Secret | None:
        """Return the caller's opened custom state, if it gave one."""
        return None if self.custom_state_sealed is None else self._open("custom_state_sealed")

    def custom_parameters(self) -> dict[str, Secret]:
        """Return the caller's opened custom parameters."""
        if self.custom_parameters_sealed is None:
            return {}
        opened = json.loads(self._open("custom_parameters_sealed").reveal())
        return {name: Secret(value) for name, value in opened.items()}

    def seal_custom_parameters(self, parameters: Mapping[str, Secret]) -> None:
        """Put `parameters`, sealed, into the column of this row. Does not save."""
        text = json.dumps({name: value.reveal() for name, value in parameters.items()})
        given = Secret(text) if parameters else None
        self.custom_parameters_sealed = self.sealed("custom_parameters_sealed", given)

    def verifier(self) -> Secret:
        """Return the opened PKCE verifier."""
        return self._open("verifier_sealed")

    def tokens(self) -> tuple[Secret, Secret | None]:
        """Return the opened access token and, if there is one, refresh token."""
        refresh = None if self.refresh_sealed is None else self._open("refresh_sealed")
        return self._open("access_sealed"), refresh

    def sealed(self, column: str, value: Secret | None) -> bytes | None:
        """Return `value` sealed so that it opens in this row's `column` alone."""
        return None if value is None else seal(value, bound_to=self.binding(column))

    def _open(self, column: str) -> Secret:
        return open_sealed(getattr(self, column), bound_to=self.binding(column))

    def binding(self, column: str) -> Binding:
        """Return the place of this row's `column`; that of tokens is in the token vault."""
        owner = f"{self.workload_identity_id}:{self.provider_id}:{self.subject.owner}"
        is_token = column in self._TOKENS
        return Binding("vault_consentsession", str(self.pk), column, owner, vault=is_token)
