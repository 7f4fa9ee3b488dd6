from django.db import migrations
from django.db.models.functions import Now


def retire(apps, schema_editor):
    """Let the newest data key seal, and the others open what they sealed."""
    keys = apps.get_model("core", "DataKey").objects
    newest = keys.order_by("-created_at").first()
    if newest is not None:
        keys.exclude(pk=newest.pk).update(retired_at=Now())


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_data_keys_by_purpose"),
    ]

    operations = [migrations.RunPython(retire, migrations.RunPython.noop)]
