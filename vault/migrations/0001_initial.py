import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import vault.asked.authorize_params
import vault.asked.scopes


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agents", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CredentialProvider",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The technical name by which agents ask for it.",
                        max_length=128,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-zA-Z0-9_-]{1,128}\\Z",
                                "1 to 128 letters, digits, dashes and underscores.",
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                (
                    "display_name",
                    models.CharField(
                        help_text="What people see when they are asked.",
                        max_length=100,
                        verbose_name="display name",
                    ),
                ),
                (
                    "vendor",
                    models.CharField(
                        choices=[("CustomOauth2", "any OAuth 2.0 provider")],
                        default="CustomOauth2",
                        max_length=32,
                        verbose_name="vendor",
                    ),
                ),
                ("client_id", models.CharField(max_length=256, verbose_name="client id")),
                ("client_secret_sealed", models.BinaryField(null=True)),
                (
                    "client_auth",
                    models.CharField(
                        choices=[
                            ("client_secret_basic", "secret in the Authorization header"),
                            ("client_secret_post", "secret in the form"),
                            ("none", "public client, no secret"),
                        ],
                        default="client_secret_basic",
                        max_length=20,
                        verbose_name="client authentication",
                    ),
                ),
                (
                    "discovery_url",
                    models.CharField(
                        blank=True,
                        help_text="Its metadata, under /.well-known/openid-configuration or /.well-known/oauth-authorization-server. Leave it empty to name the endpoints below.",
                        max_length=2048,
                        verbose_name="discovery URL",
                    ),
                ),
                ("issuer", models.CharField(blank=True, max_length=2048, verbose_name="issuer")),
                (
                    "authorization_endpoint",
                    models.CharField(
                        blank=True, max_length=2048, verbose_name="authorization endpoint"
                    ),
                ),
                (
                    "token_endpoint",
                    models.CharField(blank=True, max_length=2048, verbose_name="token endpoint"),
                ),
                (
                    "revocation_endpoint",
                    models.CharField(
                        blank=True,
                        help_text="RFC 7009. Empty: disconnecting here cannot end the access there.",
                        max_length=2048,
                        verbose_name="revocation endpoint",
                    ),
                ),
                (
                    "issuer_announces_iss",
                    models.BooleanField(
                        default=False,
                        help_text="Its answers carry “iss” (RFC 9207), and one without it is refused. Metadata that says so has the same effect.",
                        verbose_name="always names itself",
                    ),
                ),
                (
                    "account_url",
                    models.CharField(
                        blank=True,
                        help_text="Its own page on which people see and remove connected applications.",
                        max_length=2048,
                        verbose_name="account page",
                    ),
                ),
                (
                    "scope_words",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='What a person reads instead of a scope\'s name: {"calendar.read": {"en": "See your calendar", "ja": "カレンダーを見る"}}',
                        validators=[vault.asked.scopes.check_words],
                        verbose_name="scopes in words",
                    ),
                ),
                (
                    "extra_authorize_params",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='Sent with each request for consent, such as {"access_type": "offline"}.',
                        validators=[vault.asked.authorize_params.check_extra],
                        verbose_name="extra authorization parameters",
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Switched off, nobody gets a token of it, at once.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "any_workload",
                    models.BooleanField(
                        default=False,
                        help_text="Every agent may ask people for access to it.",
                        verbose_name="any workload identity",
                    ),
                ),
                (
                    "refresh_grace_s",
                    models.PositiveIntegerField(
                        default=60,
                        help_text="Seconds within which it forgives a refresh token that is used twice. After a crash a refresh is repeated within them, and never later. 0: it forgives none.",
                        validators=[django.core.validators.MaxValueValidator(600)],
                        verbose_name="refresh grace",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "workloads",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The agents that may ask people for access to it.",
                        related_name="+",
                        to="agents.workloadidentity",
                        verbose_name="workload identities",
                    ),
                ),
            ],
            options={
                "verbose_name": "credential provider",
                "verbose_name_plural": "credential providers",
                "ordering": ["display_name"],
            },
        ),
        migrations.CreateModel(
            name="ConsentSession",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("request_uri_hash", models.CharField(max_length=64, unique=True)),
                ("request_uri_sealed", models.BinaryField()),
                ("user_iss", models.CharField(max_length=512, verbose_name="issuer")),
                ("user_sub", models.CharField(max_length=255, verbose_name="subject")),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        default=list,
                        size=None,
                        verbose_name="scopes",
                    ),
                ),
                (
                    "resources",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2048), default=list, size=None
                    ),
                ),
                ("custom_parameters_sealed", models.BinaryField(null=True)),
                ("return_url", models.CharField(max_length=2048, verbose_name="return URL")),
                ("custom_state_sealed", models.BinaryField(null=True)),
                ("forced", models.BooleanField(default=False, verbose_name="new consent forced")),
                ("runtime_session_id", models.CharField(blank=True, max_length=256)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "waiting for the person"),
                            ("authorizing", "at the provider"),
                            ("exchanging", "exchanging the code"),
                            ("exchanged", "waiting for proof of the person"),
                            ("completed", "granted"),
                            ("denied", "denied"),
                            ("failed", "failed"),
                            ("expired", "expired"),
                        ],
                        default="pending",
                        max_length=11,
                        verbose_name="status",
                    ),
                ),
                ("state_hash", models.CharField(max_length=64, null=True, unique=True)),
                ("browser_hash", models.CharField(blank=True, max_length=64)),
                ("verifier_sealed", models.BinaryField(null=True)),
                ("access_sealed", models.BinaryField(null=True)),
                ("refresh_sealed", models.BinaryField(null=True)),
                ("access_expires_at", models.DateTimeField(null=True)),
                (
                    "granted_scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, size=None
                    ),
                ),
                ("early_completions", models.PositiveSmallIntegerField(default=0)),
                ("failure", models.CharField(blank=True, max_length=64, verbose_name="failure")),
                (
                    "provider_words",
                    models.CharField(
                        blank=True, max_length=512, verbose_name="the provider's words"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "workload_identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.workloadidentity",
                        verbose_name="workload identity",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="vault.credentialprovider",
                        verbose_name="provider",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent session",
                "verbose_name_plural": "consent sessions",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("live", "connected"),
                            ("lapsed", "needs reconnecting"),
                            ("revoked", "disconnected"),
                        ],
                        default="live",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("access_sealed", models.BinaryField(null=True)),
                ("refresh_sealed", models.BinaryField(null=True)),
                (
                    "access_expires_at",
                    models.DateTimeField(null=True, verbose_name="access token expires"),
                ),
                ("next_refresh_at", models.DateTimeField(null=True, verbose_name="next refresh")),
                ("refreshed_at", models.DateTimeField(null=True, verbose_name="last refreshed")),
                ("rotates", models.BooleanField(null=True, verbose_name="refresh token rotates")),
                ("generation", models.PositiveIntegerField(default=0)),
                ("spending_by", models.UUIDField(null=True)),
                ("spending_since", models.DateTimeField(null=True)),
                ("spending_retried", models.BooleanField(default=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "last_failure",
                    models.CharField(blank=True, max_length=64, verbose_name="last failure"),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("user_iss", models.CharField(max_length=512, verbose_name="issuer")),
                ("user_sub", models.CharField(max_length=255, verbose_name="subject")),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        default=list,
                        size=None,
                        verbose_name="scopes",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="first granted"),
                ),
                ("granted_at", models.DateTimeField(verbose_name="granted")),
                ("last_used_at", models.DateTimeField(null=True, verbose_name="last used")),
                (
                    "last_used_session",
                    models.CharField(
                        blank=True, max_length=256, verbose_name="last used in session"
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="vault.credentialprovider",
                        verbose_name="provider",
                    ),
                ),
                (
                    "workload_identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="agents.workloadidentity",
                        verbose_name="workload identity",
                    ),
                ),
            ],
            options={
                "verbose_name": "grant",
                "verbose_name_plural": "grants",
                "ordering": ["-granted_at"],
                "permissions": [("revoke_grant", "Can revoke a grant")],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("workload_name", models.CharField(max_length=255)),
                ("user_iss", models.CharField(max_length=512)),
                ("user_sub", models.CharField(max_length=255)),
                ("access_sealed", models.BinaryField()),
                ("refresh_sealed", models.BinaryField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(db_index=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="vault.credentialprovider",
                    ),
                ),
            ],
            options={
                "verbose_name": "revocation",
                "verbose_name_plural": "revocations",
            },
        ),
        migrations.AddConstraint(
            model_name="credentialprovider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("discovery_url", ""), _negated=True),
                        ("authorization_endpoint", ""),
                        ("issuer", ""),
                        ("revocation_endpoint", ""),
                        ("token_endpoint", ""),
                    ),
                    models.Q(
                        ("discovery_url", ""),
                        models.Q(("issuer", ""), _negated=True),
                        models.Q(("authorization_endpoint", ""), _negated=True),
                        models.Q(("token_endpoint", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vault_a_provider_has_metadata_or_endpoints",
                violation_error_message="Give a discovery URL or the endpoints, not both.",
            ),
        ),
        migrations.AddConstraint(
            model_name="credentialprovider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("client_auth", "none"), ("client_secret_sealed__isnull", True)),
                    models.Q(
                        models.Q(("client_auth", "none"), _negated=True),
                        ("client_secret_sealed__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="vault_a_provider_has_a_secret_unless_public",
                violation_error_message="A client secret is needed, except by a public client.",
            ),
        ),
        migrations.AddIndex(
            model_name="consentsession",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["pending", "authorizing", "exchanging", "exchanged"])
                ),
                fields=["expires_at"],
                name="vault_consent_open",
            ),
        ),
        migrations.AddIndex(
            model_name="consentsession",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["pending", "authorizing", "exchanging", "exchanged"])
                ),
                fields=["user_sub", "workload_identity", "provider"],
                name="vault_consent_open_by_person",
            ),
        ),
        migrations.AddIndex(
            model_name="consentsession",
            index=models.Index(fields=["runtime_session_id"], name="vault_consent_by_runtime"),
        ),
        migrations.AddConstraint(
            model_name="consentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "exchanged"),
                    models.Q(("access_sealed__isnull", True), ("refresh_sealed__isnull", True)),
                    _connector="OR",
                ),
                name="vault_only_an_exchanged_consent_holds_tokens",
            ),
        ),
        migrations.AddConstraint(
            model_name="consentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "exchanged"), _negated=True),
                    ("access_sealed__isnull", False),
                    _connector="OR",
                ),
                name="vault_an_exchanged_consent_holds_a_token",
            ),
        ),
        migrations.AddConstraint(
            model_name="consentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["authorizing", "exchanging"]),
                    ("verifier_sealed__isnull", True),
                    _connector="OR",
                ),
                name="vault_only_a_consent_under_way_holds_a_verifier",
            ),
        ),
        migrations.AddConstraint(
            model_name="consentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__isnull", True),
                        ("status__in", ["pending", "authorizing", "exchanging", "exchanged"]),
                    ),
                    models.Q(
                        ("custom_parameters_sealed__isnull", True),
                        ("custom_state_sealed__isnull", True),
                        ("ended_at__isnull", False),
                        ("status__in", ["completed", "denied", "failed", "expired"]),
                    ),
                    _connector="OR",
                ),
                name="vault_a_consent_that_ended_says_when_and_forgets",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("next_refresh_at__isnull", False), ("state", "live")),
                fields=["next_refresh_at"],
                name="vault_grant_due",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(fields=["user_sub", "user_iss"], name="vault_grant_by_person"),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "revoked"), _negated=True),
                    models.Q(("access_sealed__isnull", True), ("refresh_sealed__isnull", True)),
                    _connector="OR",
                ),
                name="vault_grant_revoked_holds_no_secret",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "live")),
                fields=("user_sub", "user_iss", "workload_identity", "provider"),
                name="vault_one_live_grant_per_workload_person_and_provider",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "live"), _negated=True),
                    ("access_sealed__isnull", False),
                    _connector="OR",
                ),
                name="vault_a_live_grant_holds_a_token",
            ),
        ),
    ]
