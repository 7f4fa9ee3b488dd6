import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0007_sessions_are_bound_to_their_owner"),
    ]

    operations = [
        migrations.AlterField(
            model_name="agentendpoint",
            name="name",
            field=models.CharField(
                default="DEFAULT",
                max_length=48,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[a-zA-Z][a-zA-Z0-9_]{0,47}\\Z",
                        "A letter, then up to 47 letters, digits and underscores.",
                    )
                ],
                verbose_name="name",
            ),
        ),
        migrations.AlterField(
            model_name="agentendpoint",
            name="version",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="endpoints",
                to="agents.agentversion",
                verbose_name="version",
            ),
        ),
        migrations.CreateModel(
            name="AnsweredCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("operation", models.CharField(max_length=64)),
                ("client_token", models.CharField(max_length=256)),
                ("asked_sha256", models.BinaryField()),
                ("answer", models.JSONField()),
                ("resource_arn", models.CharField(blank=True, db_index=True, max_length=1011)),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), db_index=True
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("operation", "client_token"),
                        name="agents_one_answer_for_a_client_token",
                    )
                ],
            },
        ),
    ]
