from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_access_keys_end_and_rotate"),
    ]

    operations = [
        migrations.AddField(
            model_name="spentsignature",
            name="first_at",
            field=models.DateTimeField(db_default=Now()),
        ),
    ]
