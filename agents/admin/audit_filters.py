"""By what the audit trail is filtered: all of it together, and together with a search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.admin.reason_words import why
from agents.selectors import names_of
from core.audit_words import in_words
from core.models import AuditEvent, User

_LATELY = 5000
_PEOPLE = 50
_MINUTE = "%Y-%m-%dT%H:%M"


def minute(at: datetime) -> str:
    """Return a time as the filter by time takes it: to the minute, in UTC."""
    return at.astimezone(UTC).strftime(_MINUTE)


class TimeFilter(admin.SimpleListFilter):
    """By how long ago it was, or from one time until another."""

    title, parameter_name = _("time"), "within"
    template = "admin/core/auditevent/time_filter.html"
    besides = ("since", "until")
    _periods = {
        "hour": (_("past hour"), timedelta(hours=1)),
        "day": (_("past 24 hours"), timedelta(days=1)),
        "week": (_("past 7 days"), timedelta(days=7)),
        "month": (_("past 30 days"), timedelta(days=30)),
    }

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.times = {name: params.pop(name, [""])[-1] for name in self.besides}
        super().__init__(request, params, model, model_admin)
        # What else is chosen goes along when the form with both times is sent.
        mine = {self.parameter_name, *self.besides, "p"}
        self.others = [(name, value) for name, value in request.GET.items() if name not in mine]

    @property
    def said(self) -> str:
        """Return the two times as they are read, and nothing where neither is chosen."""
        since, until = (self.times[name].replace("T", " ") or "…" for name in self.besides)
        return f"{since} - {until}" if any(self.times.values()) else ""

    def expected_parameters(self) -> list[str | None]:
        """Return the names of all that it reads."""
        return [self.parameter_name, *self.besides]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the periods."""
        return [(name, words) for name, (words, _period) in self._periods.items()]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield all time and the periods; each takes the place of two times that were chosen."""
        yield self._choice(changelist, None, _("All"))
        for name, words in self.lookup_choices:
            yield self._choice(changelist, name, words)

    def _choice(self, changelist: Any, name: str | None, words: StrOrPromise) -> dict[str, Any]:
        query = changelist.get_query_string({self.parameter_name: name}, remove=self.besides)
        is_chosen = self.value() == name and not any(self.times.values())
        return {"selected": is_chosen, "query_string": query, "display": words}

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events of the chosen time."""
        chosen = self._periods.get(self.value() or "")
        if chosen:
            queryset = queryset.filter(at__gte=timezone.now() - chosen[1])
        since, until = (_time(self.times[name]) for name in self.besides)
        if since:
            queryset = queryset.filter(at__gte=since)
        return queryset.filter(at__lt=until) if until else queryset


def _time(text: str) -> datetime | None:
    """Return the time that was typed, in UTC.

    Raises:
        IncorrectLookupParameters: it is none.
    """
    if not text:
        return None
    try:
        return datetime.strptime(text, _MINUTE).replace(tzinfo=UTC)
    except ValueError as exc:
        raise IncorrectLookupParameters from exc


class _Known(admin.SimpleListFilter):
    """Filters by the values of a column that occurred lately: the whole trail may be long."""

    column = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the values, which are few, in words."""
        lately = AuditEvent.objects.order_by("-pk").values_list(self.column, flat=True)[:_LATELY]
        values = {*lately, self.value() or ""} - {""}
        return sorted(self.worded(values), key=lambda choice: str(choice[1]).lower())

    def worded(self, values: set[str]) -> list[tuple[str, Any]]:
        """Return each value with what it is called."""
        return [(value, value) for value in values]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events with the chosen value."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ActionFilter(_Known):
    """By action; the name is told along, since two actions may read alike."""

    title, parameter_name, column = _("action"), "action", "action"

    def worded(self, values: set[str]) -> list[tuple[str, Any]]:
        """Return the actions in words."""
        return [(value, f"{in_words(value)} ({value})") for value in values]


class ReasonFilter(_Known):
    """By why something was refused or failed."""

    title, parameter_name, column = _("reason"), "reason", "reason"

    def worded(self, values: set[str]) -> list[tuple[str, Any]]:
        """Return the reasons in words, where they have such."""
        return [(value, f"{why(value)} ({value})" if why(value) else value) for value in values]


class AgentFilter(_Known):
    """By agent."""

    title, parameter_name, column = _("agent"), "agent", "agent"

    def worded(self, values: set[str]) -> list[tuple[str, Any]]:
        """Return the agents by the names that people know."""
        names = names_of(values)
        return [(v, f"{names[v]} ({v})" if v in names else v) for v in values]


class ProviderFilter(_Known):
    """By provider."""

    title, parameter_name, column = _("provider"), "provider", "provider"


class PersonFilter(admin.SimpleListFilter):
    """By person, of whom those are offered who occurred last; others are found by a search.

    A person is `(iss, sub)`: both are in the value, since a subject alone may be two people's.
    """

    title, parameter_name = _("person"), "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the people by name, and one of whom no account is known by the subject."""
        lately = AuditEvent.objects.order_by("-pk").values_list("subject_iss", "subject_sub")
        pairs = [pair for pair in dict.fromkeys(lately[:_LATELY]) if pair[1]][:_PEOPLE]
        chosen = _person(self.value())
        if chosen and chosen not in pairs:
            pairs.append(chosen)
        users = User.objects.filter(sub__in=[sub for _iss, sub in pairs])
        names = {(user.iss, user.sub): user.display_name for user in users}
        choices = [(f"{iss} {sub}", names.get((iss, sub), sub)) for iss, sub in pairs]
        return sorted(choices, key=lambda choice: choice[1].lower())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events about the chosen person."""
        chosen = _person(self.value())
        if chosen is None:
            return queryset
        return queryset.filter(subject_iss=chosen[0], subject_sub=chosen[1])


def _person(value: str | None) -> tuple[str, str] | None:
    """Return issuer and subject; an issuer has no space, and a subject may."""
    iss, space, sub = (value or "").partition(" ")
    return (iss, sub) if space else None


FILTERS = (
    TimeFilter,
    "outcome",
    ActionFilter,
    ReasonFilter,
    PersonFilter,
    AgentFilter,
    ProviderFilter,
)
