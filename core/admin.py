"""The audit trail in the admin: read and searched, never written."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.models import AuditEvent

_LATELY = 5000


class _Known(admin.SimpleListFilter):
    """Filters by the values of a column that occurred lately: the whole trail may be long."""

    column = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the values, which are few: actions and agents."""
        lately = AuditEvent.objects.order_by("-pk").values_list(self.column, flat=True)[:_LATELY]
        return [(value, value) for value in sorted(set(lately) - {""})]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events with the chosen value."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ActionFilter(_Known):
    """By action."""

    title, parameter_name, column = _("action"), "action", "action"


class AgentFilter(_Known):
    """By agent."""

    title, parameter_name, column = _("agent"), "agent", "agent"


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin[AuditEvent]):
    """Look. The database itself refuses to change or delete a row."""

    fields = (
        "at", "action", "outcome", "reason", "subject_iss", "subject_sub", "actor", "agent",
        "workload", "provider", "client", "reference", "client_ip", "detail",
    )  # fmt: skip
    readonly_fields = fields
    list_display = (
        "at", "action", "outcome", "reason", "subject_sub", "agent", "provider", "reference",
    )  # fmt: skip
    list_filter = ("at", "outcome", ActionFilter, AgentFilter)
    search_fields = (
        "=subject_sub", "=reference", "=agent", "=workload", "=provider", "=client", "action",
        "reason", "actor",
    )  # fmt: skip
    search_help_text = _(
        "A reference, subject, agent, workload identity, provider or client as it stands; "
        "or a part of an action, reason or actor."
    )
    date_hierarchy = "at"
    ordering = ("-at", "-pk")
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: events come from what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        """Return False."""
        return False
