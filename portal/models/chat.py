"""Conversations, their messages, and the runs that make the answers."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from portal import timeline
from portal.models.signin import SignIn

# What the runtime sessions of conversations begin with.
CHAT_SESSION = "chat-"


def new_runtime_session_id() -> str:
    """Return an id that nobody guesses, within the 33 to 256 characters of the wire API."""
    return f"{CHAT_SESSION}{secrets.token_urlsafe(32)}"


class Conversation(models.Model):
    """What one person and one agent said to each other.

    One that is deleted is nowhere to be seen from then on, and forgotten a little later.
    """

    TITLE_CHARS = 100

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    title = models.CharField(max_length=TITLE_CHARS, blank=True)
    runtime_session_id = models.CharField(
        max_length=64, unique=True, default=new_runtime_session_id, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    pinned_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Where it came of another by a question asked again in other words: `portal.branches`.
    family = models.UUIDField(null=True, editable=False)
    branch_of = models.UUIDField(null=True, editable=False)
    branched_at = models.PositiveIntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [
            models.Index(fields=["user", "-updated_at"], name="portal_newest_conversations"),
            models.Index(
                fields=["deleted_at"],
                condition=Q(deleted_at__isnull=False),
                name="portal_deleted_conversations",
            ),
            models.Index(
                fields=["family"],
                condition=Q(family__isnull=False),
                name="portal_conversation_families",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(branch_of__isnull=True, branched_at__isnull=True)
                | Q(branch_of__isnull=False, branched_at__isnull=False, family__isnull=False),
                name="portal_a_branch_has_its_place_in_a_family",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        """Return the path of its page."""
        return reverse("portal:chat", args=[self.pk])


class Message(models.Model):
    """One message. A person's is a text; an agent's has parts, as `portal.timeline` tells."""

    class Role(models.TextChoices):
        USER = "user", _("person")
        ASSISTANT = "assistant", _("agent")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    role = models.CharField(max_length=9, choices=Role)
    text = models.TextField(blank=True)
    parts = models.JSONField(default=list)
    # Chosen by the browser for each message it sends: the same one twice is the same message.
    client_key = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["created_at"]
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="portal_messages_in_order")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "client_key"], name="portal_one_message_per_client_key"
            ),
            models.CheckConstraint(
                condition=Q(role="user", client_key__isnull=False)
                | Q(role="assistant", client_key__isnull=True),
                name="portal_people_and_only_they_have_client_keys",
            ),
            models.CheckConstraint(
                condition=Q(role="user", parts=[]) | Q(role="assistant", text=""),
                name="portal_people_write_text_and_agents_parts",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def timeline(self) -> list[timeline.Part]:
        """Return the parts of an answer, in their order."""
        return [timeline.from_json(value) for value in self.parts]


class Run(models.Model):
    """One turn of an agent. It outlives the request that started it, and the tab that shows it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="runs")
    question = models.ForeignKey(Message, models.CASCADE, related_name="runs")
    answer = models.OneToOneField(Message, models.CASCADE, related_name="run")
    # Whose token it calls the agent with.
    signin = models.ForeignKey(SignIn, models.SET_NULL, null=True, related_name="+")
    language = models.CharField(max_length=16)  # of the sentences in `notice` and in its events
    status = models.CharField(max_length=7, choices=Status, default=Status.QUEUED)
    code = models.CharField(max_length=64, blank=True)
    notice = models.TextField(blank=True)
    # Under which the audit trail and the log know it; given when it is begun.
    reference = models.CharField(max_length=20, default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["created_at"]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(status__in=["queued", "running"]),
                name="portal_active_runs",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=["queued", "running"]),
                name="portal_one_active_run_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "stopped", "failed"]),
                name="portal_a_run_has_a_known_status",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running"], finished_at__isnull=True)
                | Q(status__in=["done", "stopped", "failed"], finished_at__isnull=False),
                name="portal_a_run_is_finished_or_active",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(started_at__isnull=False),
                name="portal_a_running_run_was_started",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_active(self) -> bool:
        """Say whether it still goes on."""
        return self.status in self.ACTIVE

    @property
    def events_path(self) -> str:
        """Return where its events are read."""
        return f"/api/v1/runs/{self.pk}/events"
