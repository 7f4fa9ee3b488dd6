"""API keys have providers of their own."""

import uuid

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_resource_policies_and_tags"),
        ("vault", "0005_signing_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKeyProvider",
            fields=[
                ("secret_sealed", models.BinaryField(null=True)),
                (
                    "secret_source",
                    models.CharField(
                        choices=[
                            ("MANAGED", "sealed in this site's database"),
                            ("EXTERNAL", "read from AWS Secrets Manager"),
                        ],
                        default="MANAGED",
                        max_length=8,
                        verbose_name="secret kept",
                    ),
                ),
                (
                    "external_secret_id",
                    models.CharField(
                        blank=True,
                        help_text="In AWS Secrets Manager. This site reads it when it is needed.",
                        max_length=2048,
                        verbose_name="secret's name or ARN",
                    ),
                ),
                (
                    "external_json_key",
                    models.CharField(
                        blank=True,
                        help_text="Under which the value stands in that secret.",
                        max_length=128,
                        verbose_name="JSON key",
                    ),
                ),
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
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Switched off, nobody gets the key, at once.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "any_workload",
                    models.BooleanField(
                        default=False,
                        help_text="Every agent may have the key.",
                        verbose_name="any workload identity",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "workloads",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The agents that may have the key.",
                        related_name="+",
                        to="agents.workloadidentity",
                        verbose_name="workload identities",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key provider",
                "verbose_name_plural": "API key providers",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("external_json_key", ""),
                                ("external_secret_id", ""),
                                ("secret_source", "MANAGED"),
                            ),
                            models.Q(
                                ("secret_sealed__isnull", True),
                                ("secret_source", "EXTERNAL"),
                                models.Q(("external_secret_id", ""), _negated=True),
                                models.Q(("external_json_key", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="vault_apikeyprovider_keeps_its_secret_in_one_place",
                        violation_error_message="Give the secret itself, or its name and JSON key in AWS Secrets Manager.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("secret_sealed__isnull", False),
                            ("secret_source", "EXTERNAL"),
                            _connector="OR",
                        ),
                        name="vault_an_api_key_provider_has_a_key",
                        violation_error_message="An API key is needed.",
                    ),
                ],
            },
        ),
    ]
