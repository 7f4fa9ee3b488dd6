from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_consents_at_aws"),
    ]

    operations = [
        migrations.AddField(
            model_name="consentataws",
            name="token_sealed",
            field=models.BinaryField(null=True),
        ),
        migrations.AddConstraint(
            model_name="consentataws",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["pending", "completing"]),
                    ("token_sealed__isnull", True),
                    _connector="OR",
                ),
                name="portal_a_consent_at_aws_that_is_over_holds_no_token",
            ),
        ),
    ]
