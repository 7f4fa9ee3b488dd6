import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vault", "0004_obtained_tokens_and_targets")]

    operations = [
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("RSA", "RSA, for RS256 and PS256"), ("EC", "P-256, for ES256")],
                        max_length=3,
                    ),
                ),
                ("private_sealed", models.BinaryField()),
                ("public", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("signs_from", models.DateTimeField()),
            ],
            options={
                "verbose_name": "signing key",
                "verbose_name_plural": "signing keys",
                "ordering": ["-signs_from"],
            },
        ),
    ]
