"""An access key says whose it is: an agent's is bound to an identity, an operator's to none.

Keys that were made without an identity did everything, and go on doing so: they become operator
keys, and show it.
"""

from django.db import migrations, models

STATE = "UPDATE agents_accesskey SET kind = 'operator' WHERE workload_identity_id IS NULL"


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_versions_are_immutable")]

    operations = [
        migrations.AddField(
            model_name="accesskey",
            name="kind",
            field=models.CharField(
                choices=[("agent", "agent key"), ("operator", "operator key")],
                default="agent",
                max_length=8,
                verbose_name="kind",
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(STATE, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="accesskey",
            name="workload_identity",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="access_keys",
                to="agents.workloadidentity",
                verbose_name="workload identity",
            ),
        ),
        migrations.AddConstraint(
            model_name="accesskey",
            constraint=models.CheckConstraint(
                condition=models.Q(kind="agent", workload_identity__isnull=False)
                | models.Q(kind="operator", workload_identity__isnull=True),
                name="agents_a_key_is_an_operators_or_has_an_identity",
            ),
        ),
    ]
