"""Grants are refreshed provider by provider, many at once, and no faster than each one takes."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vault", "0002_providers_of_every_vendor")]

    operations = [
        migrations.AddField(
            model_name="credentialprovider",
            name="refresh_at_once",
            field=models.PositiveIntegerField(
                default=50,
                help_text="How many connections are kept fresh at the same moment, by all workers together.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                verbose_name="refreshes at once",
            ),
        ),
        migrations.AddField(
            model_name="credentialprovider",
            name="refresh_not_before",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RemoveIndex(model_name="grant", name="vault_grant_due"),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(next_refresh_at__isnull=False, state="live"),
                fields=["provider", "next_refresh_at"],
                name="vault_grant_due_at_provider",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(spending_by__isnull=False),
                fields=["provider"],
                name="vault_grant_under_way",
            ),
        ),
    ]
