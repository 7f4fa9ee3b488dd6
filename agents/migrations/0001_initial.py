import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WorkloadIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=255,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9_.-]{3,255}\\Z",
                                "3 to 255 letters, digits, dots, dashes and underscores.",
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                (
                    "allowed_return_urls",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2048),
                        blank=True,
                        default=list,
                        help_text="Where a person may be sent after consent, besides this site's own page. Exact URLs.",
                        size=None,
                        verbose_name="allowed return URLs",
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Switched off, the identity gets no token of anybody, at once.",
                        verbose_name="enabled",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
            ],
            options={
                "verbose_name": "workload identity",
                "verbose_name_plural": "workload identities",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Agent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "agent_id",
                    models.CharField(
                        editable=False, max_length=64, unique=True, verbose_name="agent id"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The technical name, part of the agent's id. It cannot be changed later.",
                        max_length=48,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-zA-Z][a-zA-Z0-9_]{0,47}\\Z",
                                "A letter, then up to 47 letters, digits and underscores.",
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                (
                    "display_name",
                    models.CharField(
                        help_text="What people see in the chat.",
                        max_length=100,
                        verbose_name="display name",
                    ),
                ),
                (
                    "description",
                    models.CharField(
                        blank=True,
                        help_text="One or two sentences that tell people what to ask this agent.",
                        max_length=1200,
                        verbose_name="description",
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Switched off, the agent is refused to everybody within a second.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "allow_everyone",
                    models.BooleanField(
                        default=False,
                        help_text="Everybody who can sign in may use this agent.",
                        verbose_name="everyone",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "allowed_groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Members of these groups, as the identity provider tells them, may use it.",
                        related_name="+",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "allowed_users",
                    models.ManyToManyField(
                        blank=True,
                        help_text="These people may use it, whatever their groups.",
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="people",
                    ),
                ),
                (
                    "workload_identity",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="agent",
                        to="agents.workloadidentity",
                        verbose_name="workload identity",
                    ),
                ),
            ],
            options={
                "verbose_name": "agent",
                "verbose_name_plural": "agents",
                "ordering": ["display_name"],
            },
        ),
        migrations.CreateModel(
            name="AgentVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                ("url", models.CharField(max_length=2048, verbose_name="URL")),
                (
                    "protocol",
                    models.CharField(
                        choices=[("HTTP", "HTTP (AgentCore runtime contract)")],
                        default="HTTP",
                        max_length=8,
                        verbose_name="protocol",
                    ),
                ),
                (
                    "auth_mode",
                    models.CharField(
                        choices=[
                            ("JWT", "a person's token (JWT)"),
                            ("SIGV4", "an access key (SigV4)"),
                        ],
                        default="JWT",
                        max_length=5,
                        verbose_name="callers prove themselves with",
                    ),
                ),
                (
                    "discovery_url",
                    models.CharField(blank=True, max_length=2048, verbose_name="discovery URL"),
                ),
                (
                    "allowed_audience",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "allowed_clients",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "allowed_scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("custom_claims", models.JSONField(blank=True, default=list)),
                (
                    "header_allowlist",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=256),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="agents.agent",
                    ),
                ),
            ],
            options={
                "verbose_name": "agent version",
                "verbose_name_plural": "agent versions",
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="AgentEndpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(default="DEFAULT", max_length=48, verbose_name="name")),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="endpoints",
                        to="agents.agent",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="agents.agentversion",
                        verbose_name="version",
                    ),
                ),
            ],
            options={
                "verbose_name": "endpoint",
                "verbose_name_plural": "endpoints",
            },
        ),
        migrations.CreateModel(
            name="AccessKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "access_key_id",
                    models.CharField(max_length=32, unique=True, verbose_name="access key id"),
                ),
                ("secret_sealed", models.BinaryField()),
                ("label", models.CharField(max_length=100, verbose_name="label")),
                (
                    "kind",
                    models.CharField(
                        choices=[("agent", "agent key"), ("operator", "operator key")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "workload_identity",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_keys",
                        to="agents.workloadidentity",
                        verbose_name="workload identity",
                    ),
                ),
            ],
            options={
                "verbose_name": "access key",
                "verbose_name_plural": "access keys",
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.UniqueConstraint(
                fields=("agent", "number"), name="agents_one_version_per_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("auth_mode", "JWT"), _negated=True),
                    models.Q(("discovery_url", ""), _negated=True),
                    _connector="OR",
                ),
                name="agents_a_jwt_version_names_its_issuer",
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("auth_mode", "JWT"), _negated=True),
                    models.Q(
                        ("allowed_audience", []),
                        ("allowed_clients", []),
                        ("allowed_scopes", []),
                        ("custom_claims", []),
                        _negated=True,
                    ),
                    _connector="OR",
                ),
                name="agents_a_jwt_version_restricts_its_callers",
            ),
        ),
        migrations.AddConstraint(
            model_name="agentendpoint",
            constraint=models.UniqueConstraint(
                fields=("agent", "name"), name="agents_one_endpoint_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="agentendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name", "DEFAULT"), _negated=True), ("version", None), _connector="OR"
                ),
                name="agents_the_default_endpoint_follows_the_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="accesskey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "agent"), ("workload_identity__isnull", False)),
                    models.Q(("kind", "operator"), ("workload_identity__isnull", True)),
                    _connector="OR",
                ),
                name="agents_a_key_is_an_operators_or_has_an_identity",
            ),
        ),
    ]
