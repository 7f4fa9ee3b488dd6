"""Third parties from which tokens come."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.models import WorkloadIdentity
from core import jose
from core.assertions import (
    RESERVED_HEADER,
    RESERVED_PAYLOAD,
    Algorithm,
    Assertions,
    sign_by_kms,
    sign_with,
)
from core.crypto import open_sealed, seal
from core.oauth import Client, ClientAuth
from vault.asked import authorize_params, scopes
from vault.models import provider_rules
from vault.models.kept_secret import KeptSecret, SecretSource
from vault.models.signing_keys import signing_key
from vault.vendors import vendor as vendors
from vault.vendors.names import VendorName
from vault.vendors.table import VENDORS

NAME = RegexValidator(
    r"\A[a-zA-Z0-9_-]{1,128}\Z", _("1 to 128 letters, digits, dashes and underscores.")
)
KMS_KEY = RegexValidator(
    r"\Aarn:aws(-cn|-us-gov)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:key/[a-zA-Z0-9-]{36}\Z",
    _("The ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID."),
)


@dataclass(frozen=True, slots=True)
class AssertionClaims:
    """What an admin adds to the header and to the payload of a client assertion."""

    header: Mapping[str, str] = field(default_factory=dict)
    payload: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse the names that this site says itself. Raises ValidationError."""
        taken = (RESERVED_HEADER & self.header.keys()) | (RESERVED_PAYLOAD & self.payload.keys())
        if taken:
            raise ValidationError(
                _("These are set by this site itself: %(names)s"),
                params={"names": ", ".join(sorted(taken))},
            )


class CredentialProvider(KeptSecret):
    """A third party at which people consent, and this site's client there.

    Where it answers is known of its vendor, comes from its metadata, or is written down here.
    """

    Vendor = VendorName

    class Authentication(models.TextChoices):
        BASIC = "client_secret_basic", _("secret in the Authorization header")
        POST = "client_secret_post", _("secret in the form")
        PRIVATE_KEY_JWT = "private_key_jwt", _("assertion, signed with a private key")
        NONE = "none", _("public client, no secret")

    # Those by which this site proves itself by a secret that both know.
    BY_SECRET = (Authentication.BASIC, Authentication.POST)

    class SigningAlgorithm(models.TextChoices):
        RS256 = "RS256", "RS256"
        PS256 = "PS256", "PS256"
        ES256 = "ES256", "ES256"

    class Status(models.TextChoices):
        """The wire API's words. CREATING, UPDATING: it does not answer yet and is asked again."""

        READY = "READY", _("ready")
        CREATING = "CREATING", _("waiting for its metadata")
        CREATE_FAILED = "CREATE_FAILED", _("metadata not usable")
        UPDATING = "UPDATING", _("waiting for its new metadata")
        UPDATE_FAILED = "UPDATE_FAILED", _("new metadata not usable")

    class OboGrantType(models.TextChoices):
        TOKEN_EXCHANGE = "TOKEN_EXCHANGE", _("token exchange (RFC 8693)")
        JWT_AUTHORIZATION_GRANT = "JWT_AUTHORIZATION_GRANT", _("JWT grant (RFC 7523)")

    class OboActor(models.TextChoices):
        NONE = "NONE", _("no actor token")
        M2M = "M2M", _("this client's own token")

    class OboAuthentication(models.TextChoices):
        NO_CLIENT = "NO_CLIENT", _("no client authentication")

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
    vendor = models.CharField(
        _("vendor"), max_length=32, choices=VendorName, default=VendorName.CUSTOM
    )
    status = models.CharField(
        _("status"), max_length=13, choices=Status, default=Status.READY, editable=False
    )
    failure_reason = models.CharField(
        _("reason"), max_length=500, blank=True, default="", editable=False
    )
    tenant_id = models.CharField(
        _("tenant"),
        max_length=2048,
        blank=True,
        help_text=_("The directory (tenant) id. Empty: accounts of any organisation."),
    )
    client_id = models.CharField(_("client id"), max_length=256, blank=True)
    secret_sealed = models.BinaryField(null=True, db_column="client_secret_sealed")
    client_auth = models.CharField(
        _("client authentication"),
        max_length=20,
        choices=Authentication,
        default=Authentication.BASIC,
    )
    private_key_source = models.CharField(
        _("KMS key"),
        max_length=2048,
        blank=True,
        validators=[KMS_KEY],
        help_text=_(
            "ARN of an asymmetric key in AWS KMS that signs. Empty: this site's own key, published "
            "at /.well-known/jwks.json."
        ),
    )
    signing_algorithm = models.CharField(
        _("signing algorithm"),
        max_length=5,
        choices=SigningAlgorithm,
        default=SigningAlgorithm.RS256,
    )
    assertion_claims_sealed = models.BinaryField(null=True)
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
    response_types = ArrayField(
        models.CharField(max_length=64),
        verbose_name=_("response types"),
        default=list,
        blank=True,
        help_text=_("What it says that it offers. Empty, or with “code” among them."),
    )
    token_endpoint_auth_methods = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("its ways of client authentication"),
        default=list,
        blank=True,
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
    refresh_at_once = models.PositiveIntegerField(
        _("refreshes at once"),
        default=50,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_(
            "How many connections are kept fresh at the same moment, by all workers together."
        ),
    )
    # It asked to be left alone until then, or is away (vault.grants.renewal).
    refresh_not_before = models.DateTimeField(null=True, editable=False)
    obo_grant_type = models.CharField(
        _("grant"),
        max_length=23,
        choices=OboGrantType,
        blank=True,
        help_text=_("How an agent gets a token for the person who called it. Empty: not offered."),
    )
    obo_actor = models.CharField(
        _("actor token"), max_length=4, choices=OboActor, default=OboActor.NONE
    )
    obo_actor_scopes = ArrayField(
        models.CharField(max_length=128), verbose_name=_("actor's scopes"), default=list, blank=True
    )
    obo_client_auth = models.CharField(
        _("client authentication"),
        max_length=9,
        choices=OboAuthentication,
        blank=True,
        help_text=_("In the exchange. Empty: as in every other request."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("credential provider")
        verbose_name_plural = _("credential providers")
        ordering = ["display_name"]
        constraints = [
            *KeptSecret.Meta.constraints,
            models.CheckConstraint(
                condition=(
                    ~Q(discovery_url="")
                    & Q(
                        vendor=VendorName.CUSTOM,
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
                )
                | (
                    Q(discovery_url="", authorization_endpoint="", token_endpoint="")
                    & ~Q(vendor=VendorName.CUSTOM)
                ),
                name="vault_a_provider_has_metadata_or_endpoints",
                violation_error_message=_("Give a discovery URL or the endpoints, not both."),
            ),
            models.CheckConstraint(
                condition=Q(
                    client_auth__in=["none", "private_key_jwt"],
                    secret_sealed__isnull=True,
                    secret_source=SecretSource.MANAGED,
                )
                | (
                    Q(client_auth__in=["client_secret_basic", "client_secret_post"])
                    & (Q(secret_sealed__isnull=False) | Q(secret_source=SecretSource.EXTERNAL))
                ),
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

    @property
    def uses_secret(self) -> bool:
        """Say whether this site proves itself there by a secret that both know."""
        return self.client_auth in self.BY_SECRET

    @property
    def traits(self) -> vendors.Vendor:
        """Return what is particular about its vendor."""
        return VENDORS[self.vendor]

    @property
    def account_page(self) -> str:
        """Return its page on which people end what they granted; empty where none is known."""
        return self.account_url or self.traits.account_url

    @property
    def metadata_url(self) -> str:
        """Return where it says of itself how it is reached; empty where that is known here."""
        if self.discovery_url or self.authorization_endpoint:
            return self.discovery_url
        if self.traits.place is vendors.Place.OWN_ISSUER:
            return next(iter(jose.discovery_urls_of(self.issuer)), "")
        return ""

    def client(self) -> Client:
        """Return this site's client there, its secret opened. Raises as `kept_secret`."""
        by_key = self.client_auth == self.Authentication.PRIVATE_KEY_JWT
        return Client(
            self.client_id,
            self.kept_secret(),
            as_client_auth(self.client_auth),
            assertion=self._assertions().for_audience if by_key else None,
            dialect=self.traits.dialect,
        )

    def _assertions(self) -> Assertions:
        algorithm, added = as_algorithm(self.signing_algorithm), self.assertion_claims()
        header = dict(added.header)
        if self.private_key_source:
            sign = sign_by_kms(self.private_key_source, algorithm)
        else:
            ours = signing_key(algorithm)
            sign = sign_with(ours.private_key(), algorithm)
            header["kid"] = ours.kid
        return Assertions(
            client_id=self.client_id,
            algorithm=algorithm,
            sign=sign,
            header=header,
            payload=added.payload,
        )

    def assertion_claims(self) -> AssertionClaims:
        """Return what is added to client assertions, opened. Raises SealBroken, KeyMissing."""
        if self.assertion_claims_sealed is None:
            return AssertionClaims()
        opened = open_sealed(
            self.assertion_claims_sealed, bound_to=self.binding("assertion_claims_sealed")
        )
        return AssertionClaims(**json.loads(opened.reveal()))

    def seal_assertion_claims(self, claims: AssertionClaims) -> None:
        """Put `claims`, sealed, into this row. Does not save."""
        text = json.dumps({"header": dict(claims.header), "payload": dict(claims.payload)})
        self.assertion_claims_sealed = (
            seal(text, bound_to=self.binding("assertion_claims_sealed"))
            if claims.header or claims.payload
            else None
        )

    def clean(self) -> None:
        """Refuse what the database would refuse, and URLs that could not be asked, with reasons."""
        # A form gives None for an object that is left empty.
        self.scope_words = self.scope_words or {}
        self.extra_authorize_params = self.extra_authorize_params or {}
        if self.client_auth != self.Authentication.PRIVATE_KEY_JWT:
            self.assertion_claims_sealed = None
        # A vendor that is none was told of by its own field.
        problems = provider_rules.problems_of(self) if self.vendor in VENDORS else {}
        if problems:
            raise ValidationError(problems)


def as_client_auth(value: str) -> ClientAuth:
    """Return `value` as one of the ways in which a client authenticates."""
    match value:
        case "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none":
            return value
    raise ValueError(value)


def as_algorithm(value: str) -> Algorithm:
    """Return `value` as one of the algorithms by which assertions are signed."""
    match value:
        case "RS256" | "PS256" | "ES256":
            return value
    raise ValueError(value)
