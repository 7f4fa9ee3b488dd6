from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    # The trail may be long, and goes on being written meanwhile.
    atomic = False
    dependencies = [("core", "0008_roles")]

    operations = [
        AddIndexConcurrently(
            "auditevent",
            models.Index(
                fields=["outcome", "-at"],
                include=["action", "reason"],
                condition=Q(outcome__in=["refused", "failed"]),
                name="core_audit_mishaps",
            ),
        )
    ]
