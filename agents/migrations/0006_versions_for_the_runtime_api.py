import django.contrib.postgres.fields
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0005_signatures_are_good_for_a_moment"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentendpoint",
            name="created_at",
            field=models.DateTimeField(
                auto_now_add=True, default=django.utils.timezone.now, verbose_name="created"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="agentendpoint",
            name="description",
            field=models.CharField(blank=True, max_length=256, verbose_name="description"),
        ),
        migrations.AddField(
            model_name="agentendpoint",
            name="updated_at",
            field=models.DateTimeField(auto_now=True, verbose_name="updated"),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="advertised_scopes",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="allowed_workloads",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="client_claims",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=16), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="network",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="path",
            field=models.CharField(blank=True, max_length=2048, verbose_name="path"),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="port",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="port"),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="resource_identifier",
            field=models.CharField(blank=True, max_length=2048),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="role_arn",
            field=models.CharField(blank=True, max_length=2048),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="session_idle_s",
            field=models.PositiveIntegerField(default=900),
        ),
        migrations.AddField(
            model_name="agentversion",
            name="session_lifetime_s",
            field=models.PositiveIntegerField(default=28800),
        ),
        migrations.AlterField(
            model_name="agent",
            name="description",
            field=models.CharField(
                blank=True,
                help_text="One or two sentences that tell people what to ask this agent.",
                max_length=4096,
                verbose_name="description",
            ),
        ),
        migrations.AlterField(
            model_name="agentversion",
            name="protocol",
            field=models.CharField(
                choices=[
                    ("HTTP", "HTTP (AgentCore runtime contract)"),
                    ("MCP", "MCP (Model Context Protocol, streamable HTTP)"),
                    ("A2A", "A2A (Agent2Agent)"),
                    ("AGUI", "AG-UI (Agent User Interaction)"),
                ],
                default="HTTP",
                max_length=8,
                verbose_name="protocol",
            ),
        ),
    ]
