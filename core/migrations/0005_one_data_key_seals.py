from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0004_older_data_keys_retire"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="datakey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at__isnull", True)),
                fields=("purpose",),
                name="core_one_data_key_seals_for_each_purpose",
            ),
        ),
    ]
