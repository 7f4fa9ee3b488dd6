"""Runtime sessions: whose the state is that an agent keeps by a session's id."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agents.models.registry import Agent
from core.subject import Subject


class RuntimeSessions(models.QuerySet["RuntimeSession"]):
    """Sessions, live and over."""

    def live(self, *, at: datetime) -> RuntimeSessions:
        """Return those that nobody ended and that neither limit has ended."""
        return self.filter(ended_at=None, expires_at__gt=at)

    def over(self, *, at: datetime) -> RuntimeSessions:
        """Return the others: another session of the same owner may begin under their ids."""
        return self.filter(Q(ended_at__isnull=False) | Q(expires_at__lte=at))

    def of(self, owner: Subject) -> RuntimeSessions:
        """Return those of one person, or of another owner."""
        return self.filter(owner_iss=owner.iss, owner_sub=owner.sub)

    def forgettable(self, *, before: datetime) -> RuntimeSessions:
        """Return those that were over before `before` and whose ids prove whose they are."""
        return self.filter(is_allocated=True, started_at__lt=before).over(at=before)


class RuntimeSession(models.Model):
    """The last session that an agent had under an id, and whose id that is.

    Written by the statement that lets a call through (`agents.sessions.claim`), one for many calls.
    So there is no constraint to the agent's row, which each new session would have to lock; and no
    index has what changes with each use.
    """

    agent = models.ForeignKey(
        Agent,
        models.DO_NOTHING,  # they go with it by one statement: see `agent_delete`
        to_field="agent_id",
        db_constraint=False,
        db_index=False,
        verbose_name=_("agent"),
        related_name="+",
    )
    session_id = models.CharField(_("session id"), max_length=256)
    owner_iss = models.CharField(_("issuer"), max_length=512)
    owner_sub = models.CharField(_("subject"), max_length=255)
    # Whether the id was given out by this site and names its owner: see `agents.sessions.ids`.
    is_allocated = models.BooleanField()
    endpoint = models.CharField(_("endpoint"), max_length=48)
    idle_s = models.PositiveIntegerField(_("ends when unused for (seconds)"))
    lifetime_s = models.PositiveIntegerField(_("ends in any case after (seconds)"))
    started_at = models.DateTimeField(_("started (UTC)"))
    last_used_at = models.DateTimeField(_("last used (UTC)"))
    expires_at = models.DateTimeField(_("expires (UTC)"))
    ended_at = models.DateTimeField(_("stopped (UTC)"), null=True)
    ended_by = models.CharField(_("stopped by"), max_length=255, blank=True)

    objects = RuntimeSessions.as_manager()

    class Meta:
        verbose_name = _("runtime session")
        verbose_name_plural = _("runtime sessions")
        ordering = ["-pk"]
        permissions = [("stop_runtimesession", "Can stop a runtime session")]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "session_id"], name="agents_a_session_id_is_one_owners"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="")
                | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="agents_a_stopped_session_says_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(started_at__lte=F("last_used_at")),
                name="agents_a_session_is_used_after_it_starts",
            ),
        ]
        indexes = [
            models.Index(fields=["owner_sub", "-id"], name="agents_sessions_of_an_owner"),
            models.Index(
                fields=["started_at"],
                condition=Q(is_allocated=True),
                name="agents_sessions_to_forget",
            ),
        ]

    def __str__(self) -> str:
        return self.session_id

    @property
    def owner(self) -> Subject:
        """Return whose it is: a person, or a workload identity or the operators for themselves."""
        return Subject(self.owner_iss, self.owner_sub)

    def is_live(self, *, at: datetime) -> bool:
        """Say whether the session goes on."""
        return self.ended_at is None and self.expires_at > at
