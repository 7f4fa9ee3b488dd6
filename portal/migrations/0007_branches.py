from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0006_feedback")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="family",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="conversation",
            name="branch_of",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="conversation",
            name="branched_at",
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("family__isnull", False)),
                fields=["family"],
                name="portal_conversation_families",
            ),
        ),
        migrations.AddConstraint(
            model_name="conversation",
            constraint=models.CheckConstraint(
                condition=models.Q(("branch_of__isnull", True), ("branched_at__isnull", True))
                | models.Q(
                    ("branch_of__isnull", False),
                    ("branched_at__isnull", False),
                    ("family__isnull", False),
                ),
                name="portal_a_branch_has_its_place_in_a_family",
            ),
        ),
    ]
