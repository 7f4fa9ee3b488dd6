"""Third parties from which tokens come."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core import http
from core.crypto import Binding, open_sealed, seal
from core.oauth import Client, ClientAuth
from core.secret import Secret
from vault import authorize_params, scopes

NAME = RegexValidator(
    r"\A[a-zA-Z0-9_-]{1,128}\Z", _("1 to 128 letters, digits, dashes and underscores.")
)
_URLS = (
    "discovery_url",
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "account_url",
)


class CredentialProvider(models.Model):
    """A third party at which people consent, and this site's client there.

    Its endpoints come from its metadata or are written down here, never both.
    """

    class Vendor(models.TextChoices):
        CUSTOM = "CustomOauth2", _("any OAuth 2.0 provider")

    class Authentication(models.TextChoices):
        BASIC = "client_secret_basic", _("secret in the Authorization header")
        POST = "client_secret_post", _("secret in the form")
        NONE = "none", _("public client, no secret")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        _("name"),
        max_length=128,
        unique=True,
        validators=[NAME],
        help_text=_("The technical name by which agents ask for it."),
    )
    display_name = models.CharField(
        _("display name"), max_length=100, help_text=_("What people see when they are asked.")
    )
    vendor = models.CharField(_("vendor"), max_length=32, choices=Vendor, default=Vendor.CUSTOM)
    client_id = models.CharField(_("client id"), max_length=256)
    client_secret_sealed = models.BinaryField(null=True)
    client_auth = models.CharField(
        _("client authentication"),
        max_length=20,
        choices=Authentication,
        default=Authentication.BASIC,
    )
    discovery_url = models.CharField(
        _("discovery URL"),
        max_length=2048,
        blank=True,
        help_text=_(
            "Its metadata, under /.well-known/openid-configuration or "
            "/.well-known/oauth-authorization-server. Leave it empty to name the endpoints below."
        ),
    )
    issuer = models.CharField(_("issuer"), max_length=2048, blank=True)
    authorization_endpoint = models.CharField(
        _("authorization endpoint"), max_length=2048, blank=True
    )
    token_endpoint = models.CharField(_("token endpoint"), max_length=2048, blank=True)
    revocation_endpoint = models.CharField(
        _("revocation endpoint"),
        max_length=2048,
        blank=True,
        help_text=_("RFC 7009. Empty: disconnecting here cannot end the access there."),
    )
    issuer_announces_iss = models.BooleanField(
        _("always names itself"),
        default=False,
        help_text=_(
            "Its answers carry “iss” (RFC 9207), and one without it is refused. Metadata that says "
            "so has the same effect."
        ),
    )
    account_url = models.CharField(
        _("account page"),
        max_length=2048,
        blank=True,
        help_text=_("Its own page on which people see and remove connected applications."),
    )
    scope_words = models.JSONField(
        _("scopes in words"),
        default=dict,
        blank=True,
        validators=[scopes.check_words],
        help_text=_(
            'What a person reads instead of a scope\'s name: {"calendar.read": {"en": "See your '
            'calendar", "ja": "カレンダーを見る"}}'
        ),
    )
    extra_authorize_params = models.JSONField(
        _("extra authorization parameters"),
        default=dict,
        blank=True,
        validators=[authorize_params.check_extra],
        help_text=_('Sent with each request for consent, such as {"access_type": "offline"}.'),
    )
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("Switched off, nobody gets a token of it, at once."),
    )
    any_workload = models.BooleanField(
        _("any workload identity"),
        default=False,
        help_text=_("Every agent may ask people for access to it."),
    )
    workloads = models.ManyToManyField(
        WorkloadIdentity,
        verbose_name=_("workload identities"),
        blank=True,
        related_name="+",
        help_text=_("The agents that may ask people for access to it."),
    )
    refresh_grace_s = models.PositiveIntegerField(
        _("refresh grace"),
        default=60,
        validators=[MaxValueValidator(600)],
        help_text=_(
            "Seconds within which it forgives a refresh token that is used twice. After a crash a "
            "refresh is repeated within them, and never later. 0: it forgives none."
        ),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("credential provider")
        verbose_name_plural = _("credential providers")
        ordering = ["display_name"]
        constraints = [
            models.CheckConstraint(
                condition=(
                    ~Q(discovery_url="")
                    & Q(
                        issuer="",
                        authorization_endpoint="",
                        token_endpoint="",
                        revocation_endpoint="",
                    )
                )
                | (
                    Q(discovery_url="")
                    & ~Q(issuer="")
                    & ~Q(authorization_endpoint="")
                    & ~Q(token_endpoint="")
                ),
                name="vault_a_provider_has_metadata_or_endpoints",
                violation_error_message=_("Give a discovery URL or the endpoints, not both."),
            ),
            models.CheckConstraint(
                condition=Q(client_auth="none", client_secret_sealed__isnull=True)
                | (~Q(client_auth="none") & Q(client_secret_sealed__isnull=False)),
                name="vault_a_provider_has_a_secret_unless_public",
                violation_error_message=_("A client secret is needed, except by a public client."),
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def callback_url(self) -> str:
        """Return the redirect URI to register at the provider; it is matched as it stands."""
        return f"{settings.SITE_URL}/identities/oauth2/callback/{self.pk}"

    def client(self) -> Client:
        """Return this site's client there, its secret opened. Raises SealBroken, KeyMissing."""
        sealed = self.client_secret_sealed
        secret = None if sealed is None else open_sealed(sealed, bound_to=self._binding())
        return Client(self.client_id, secret, as_client_auth(self.client_auth))

    def seal_client_secret(self, secret: Secret | None) -> None:
        """Put `secret`, sealed, into the column of this row. Does not save."""
        self.client_secret_sealed = (
            None if secret is None else seal(secret, bound_to=self._binding())
        )

    def _binding(self) -> Binding:
        return Binding("vault_credentialprovider", str(self.pk), "client_secret_sealed", "site")

    def clean(self) -> None:
        """Refuse what the database would refuse, and URLs that could not be asked, with reasons."""
        # A form gives None for an object that is left empty.
        self.scope_words = self.scope_words or {}
        self.extra_authorize_params = self.extra_authorize_params or {}
        problems: dict[str, list[str]] = {}
        for name in _URLS:
            url = getattr(self, name)
            if not url:
                continue
            try:
                http.check_url(url)
            except http.HttpRefused as exc:
                problems[name] = [str(exc.message)]
        self._clean_endpoints(problems)
        if problems:
            raise ValidationError(problems)

    def _clean_endpoints(self, problems: dict[str, list[str]]) -> None:
        if self.discovery_url:
            if "/.well-known/" not in self.discovery_url:
                problems.setdefault("discovery_url", []).append(
                    str(_("A discovery URL contains /.well-known/."))
                )
            for name in ("issuer", "authorization_endpoint", "token_endpoint",
                         "revocation_endpoint"):  # fmt: skip
                if getattr(self, name):
                    problems.setdefault(name, []).append(
                        str(_("Leave this empty: the discovery URL tells it."))
                    )
            return
        for name in ("issuer", "authorization_endpoint", "token_endpoint"):
            if not getattr(self, name):
                problems.setdefault(name, []).append(
                    str(_("Needed where there is no discovery URL."))
                )


def as_client_auth(value: str) -> ClientAuth:
    """Return `value` as one of the ways in which a client authenticates."""
    match value:
        case "client_secret_basic" | "client_secret_post" | "none":
            return value
    raise ValueError(value)
