import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0008_attachments"),
    ]

    operations = [
        migrations.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("interrupt_id", models.CharField(max_length=256)),
                ("schema", models.TextField(blank=True)),
                ("consent_id", models.UUIDField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("approved", "approved"),
                            ("declined", "declined"),
                            ("answered", "answered"),
                            ("lapsed", "lapsed"),
                            ("closed", "closed"),
                        ],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("answer", models.TextField(blank=True)),
                ("lapses_at", models.DateTimeField()),
                ("stale_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                "verbose_name": "approval",
                "verbose_name_plural": "approvals",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["pending", "approved", "declined", "answered", "lapsed", "closed"],
                            )
                        ),
                        name="portal_an_approval_has_a_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("answer", ""),
                            models.Q(
                                ("sent_at__isnull", True),
                                ("state__in", ["approved", "declined", "answered"]),
                            ),
                            _connector="OR",
                        ),
                        name="portal_an_answer_is_given_and_kept_until_it_is_sent",
                    ),
                ],
            },
        ),
    ]
