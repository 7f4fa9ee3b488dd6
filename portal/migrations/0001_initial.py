import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import portal.models.chat


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agents", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=100)),
                (
                    "runtime_session_id",
                    models.CharField(
                        default=portal.models.chat.new_runtime_session_id,
                        editable=False,
                        max_length=64,
                        unique=True,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="agents.agent",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="conversations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "conversation",
                "verbose_name_plural": "conversations",
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("user", "person"), ("assistant", "agent")], max_length=9
                    ),
                ),
                ("text", models.TextField(blank=True)),
                ("parts", models.JSONField(default=list)),
                ("client_key", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="portal.conversation",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "ordering": ["created_at"],
            },
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("live", "connected"),
                            ("lapsed", "needs reconnecting"),
                            ("revoked", "disconnected"),
                        ],
                        default="live",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("access_sealed", models.BinaryField(null=True)),
                ("refresh_sealed", models.BinaryField(null=True)),
                (
                    "access_expires_at",
                    models.DateTimeField(null=True, verbose_name="access token expires"),
                ),
                ("next_refresh_at", models.DateTimeField(null=True, verbose_name="next refresh")),
                ("refreshed_at", models.DateTimeField(null=True, verbose_name="last refreshed")),
                ("rotates", models.BooleanField(null=True, verbose_name="refresh token rotates")),
                ("generation", models.PositiveIntegerField(default=0)),
                ("spending_by", models.UUIDField(null=True)),
                ("spending_since", models.DateTimeField(null=True)),
                ("spending_retried", models.BooleanField(default=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "last_failure",
                    models.CharField(blank=True, max_length=64, verbose_name="last failure"),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id_token_sealed", models.BinaryField(null=True)),
                ("started_at", models.DateTimeField(auto_now_add=True, verbose_name="started")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-in",
                "verbose_name_plural": "sign-ins",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("language", models.CharField(max_length=16)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("done", "done"),
                            ("stopped", "stopped"),
                            ("failed", "failed"),
                        ],
                        default="queued",
                        max_length=7,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("notice", models.TextField(blank=True)),
                ("reference", models.CharField(blank=True, default="", max_length=20)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "answer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="run",
                        to="portal.message",
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="portal.conversation",
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="portal.message",
                    ),
                ),
                (
                    "signin",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="portal.signin",
                    ),
                ),
            ],
            options={
                "verbose_name": "run",
                "verbose_name_plural": "runs",
                "ordering": ["created_at"],
            },
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(fields=["user", "-updated_at"], name="portal_newest_conversations"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                fields=["conversation", "created_at"], name="portal_messages_in_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                fields=("conversation", "client_key"), name="portal_one_message_per_client_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("client_key__isnull", False), ("role", "user")),
                    models.Q(("client_key__isnull", True), ("role", "assistant")),
                    _connector="OR",
                ),
                name="portal_people_and_only_they_have_client_keys",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("parts", []), ("role", "user")),
                    models.Q(("role", "assistant"), ("text", "")),
                    _connector="OR",
                ),
                name="portal_people_write_text_and_agents_parts",
            ),
        ),
        migrations.AddConstraint(
            model_name="signin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "revoked"), _negated=True),
                    models.Q(("access_sealed__isnull", True), ("refresh_sealed__isnull", True)),
                    _connector="OR",
                ),
                name="portal_signin_revoked_holds_no_secret",
            ),
        ),
        migrations.AddConstraint(
            model_name="signin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__isnull", False),
                        ("id_token_sealed__isnull", True),
                        ("state", "revoked"),
                    ),
                    models.Q(
                        models.Q(("state", "revoked"), _negated=True), ("ended_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="portal_an_ended_signin_is_revoked_and_empty",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "running"])),
                fields=["created_at"],
                name="portal_active_runs",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["queued", "running"])),
                fields=("conversation",),
                name="portal_one_active_run_per_conversation",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["queued", "running", "done", "stopped", "failed"])
                ),
                name="portal_a_run_has_a_known_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("status__in", ["queued", "running"])),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("status__in", ["done", "stopped", "failed"]),
                    ),
                    _connector="OR",
                ),
                name="portal_a_run_is_finished_or_active",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "running"), _negated=True),
                    ("started_at__isnull", False),
                    _connector="OR",
                ),
                name="portal_a_running_run_was_started",
            ),
        ),
    ]
