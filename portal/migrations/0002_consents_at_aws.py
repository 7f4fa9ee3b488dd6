import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConsentAtAws",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("session_uri_hash", models.CharField(max_length=64, unique=True)),
                ("region", models.CharField(max_length=32)),
                ("called_with", models.CharField(max_length=8)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("completing", "completing"),
                            ("granted", "granted"),
                            ("failed", "failed"),
                            ("expired", "expired"),
                            ("closed", "closed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.run",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent at AWS",
                "verbose_name_plural": "consents at AWS",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["pending", "completing"])),
                        fields=["expires_at"],
                        name="portal_open_consents_at_aws",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["pending", "completing", "granted", "failed", "expired", "closed"],
                            )
                        ),
                        name="portal_a_consent_at_aws_has_a_known_state",
                    )
                ],
            },
        ),
    ]
