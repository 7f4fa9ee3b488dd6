"""The audit trail on the admin site: read and searched, never written."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.admin.audit_export import export_url
from agents.admin.audit_filters import FILTERS
from agents.admin.chain_drawn import agent_of, drawn, person_of, service_of, steps_of, told_of
from agents.admin.persons import person_of as account_of
from agents.admin.persons import with_people
from agents.admin.reason_words import why
from agents.admin.shared import DeclaredAdmin, LookOnly, Tone, chip, moment
from agents.explainer.recorded import finding_of
from agents.models import Agent
from core.audit_words import in_words
from core.models import AuditEvent
from core.subject import OPAQUE_ISSUER

_SHORT = 8
# Each word is looked for in every event: what a search costs is bounded.
_SEARCHED_WORDS = 8
_SEARCHED_CHARS = 200
_TONES: dict[str, Tone] = {"allowed": "good", "refused": "warning", "failed": "bad"}
_TRAIL = "admin:core_auditevent_changelist"


def _all_of(reference: str, words: str) -> str:
    if not reference:
        return "-"
    return format_html(
        '<a class="reference" href="{}" title="{}"><code>{}</code></a>',
        reverse(_TRAIL, query={"q": reference}),
        _("All events of %(reference)s") % {"reference": reference},
        words,
    )


def _invocation(event: AuditEvent) -> str:
    """Return the reference of the call to the agent in whose course it happened, if any."""
    return str(event.detail.get("invocation", ""))


def _inside_chain() -> Func:
    """Return whether an agent is one of those through whom the one of the event was called."""
    name = Cast(Value("chain"), TextField())
    chain = Func(OuterRef("detail"), name, function="jsonb_extract_path")
    return Func(chain, F("agent_id"), function="jsonb_exists", output_field=BooleanField())


def _bare(word: str) -> str:
    """Return `word` without its quotes; where only one of them was typed, it is text."""
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in {'"', "'"}
    return unescape_string_literal(word) if quoted else word


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly, DeclaredAdmin[AuditEvent]):
    """Look. The database itself refuses to change or delete a row."""

    fieldsets = (
        (_("What happened"), {"fields": ("time", "what", "result", "explained", "details")}),
        (_("Who"), {"fields": ("chain", "person", "actor", "subject_sub", "subject_iss")}),
        (
            _("Where"),
            {"fields": ("agent", "workload", "provider", "client", "client_ip")},
        ),
        (_("Together with"), {"fields": ("same_reference", "of_invocation")}),
    )
    list_display = (
        "time",
        "what",
        "result",
        "person",
        "on_agent",
        "at_provider",
        "short_reference",
    )
    list_filter = FILTERS
    search_fields = (
        *("subject_sub__iexact", "reference__istartswith", "client__iexact", "outcome__iexact"),
        *("agent__icontains", "workload__icontains", "provider__icontains", "client_ip__iexact"),
        *("action__icontains", "reason__icontains", "actor__icontains"),
        *("detail__invocation__istartswith", "detail__access_key_id__iexact"),
        *("detail__by__sub__iexact", "detail__chain__icontains"),
    )
    search_help_text = _(
        "A reference, a person's name or e-mail address, the name of an agent or a provider, an "
        "access key id, an address, or a part of an action or reason. All words have to fit; the "
        "first 8 words and 200 characters count."
    )
    nothing_yet = _("Nothing is on record yet.")
    nothing_fits = _(
        "Not everything has an event. What a page said went wrong, under a reference that is not "
        "found here, stands in the site's log under the same reference."
    )
    date_hierarchy = "at"
    ordering = ("-at", "-pk")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs, and that of the export."""
        return [export_url(self), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: AuditEvent | None = None) -> Any:
        """Return all there is."""
        return [name for _title, shown in self.fieldsets for name in shown["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Return the events with what the person and the agents are called today.

        What it adds is read in `agents.admin.chain_drawn`.
        """
        agent = Agent.objects.filter(agent_id__in=(OuterRef("agent"), OuterRef("workload")))
        events = with_people(super().get_queryset(request), iss="subject_iss", sub="subject_sub")
        before = Agent.objects.filter(_inside_chain())
        return events.annotate(
            agent_name=Subquery(agent.values("display_name")[:1]),
            chain_names=ArraySubquery(
                before.values(json=JSONObject(id="agent_id", name="display_name"))
            ),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Return the events of which every word tells: something of their own, or whose they are.

        The trail names people by `(iss, sub)` and agents by id: names are those of today.
        """
        words = islice(smart_split(search_term[:_SEARCHED_CHARS]), _SEARCHED_WORDS)
        return queryset.filter(*(self._tells_of(_bare(word)) for word in words)), False

    def _tells_of(self, word: str) -> Q:
        people = account_of("subject_iss", "subject_sub").filter(
            Q(name__icontains=word) | Q(email__icontains=word)
        )
        called = Agent.objects.filter(display_name__icontains=word).values("agent_id")
        own = Q.create([(lookup, word) for lookup in self.search_fields], connector=Q.OR)
        return own | Q(Exists(people)) | Q(agent__in=called) | Q(workload__in=called)

    @admin.display(description=_("time (UTC)"), ordering="at")
    def time(self, event: AuditEvent) -> str:
        """Return when it happened, to the second."""
        return moment(event.at)

    @admin.display(description=_("event"), ordering="action")
    def what(self, event: AuditEvent) -> str:
        """Return what happened, in words and by its stable name."""
        return format_html('{} <code class="below">{}</code>', in_words(event.action), event.action)

    @admin.display(description=_("outcome"), ordering="outcome")
    def result(self, event: AuditEvent) -> str:
        """Return how it ended, and why it did not end well."""
        ended = chip(event.get_outcome_display(), _TONES.get(event.outcome, "quiet"))
        if not event.reason:
            return ended
        return format_html(
            '{} <span class="below">{}</span> <code class="below">{}</code>',
            ended,
            why(event.reason),
            event.reason,
        )

    @admin.display(description=_("person"), ordering="subject_sub")
    def person(self, event: AuditEvent) -> str:
        """Return whom it concerns and, where that is somebody else, who did it."""
        name: StrOrPromise = person_of(event)
        if event.subject_iss == OPAQUE_ISSUER:
            name = _("“%(user)s”, as an operator names them") % {"user": event.subject_sub}
        if not name:
            return event.actor or "-"
        if not event.actor or event.actor == name:
            return str(name)
        return format_html(
            '{} <span class="below">{}</span>', name, _("by %(actor)s") % {"actor": event.actor}
        )

    @admin.display(description=_("agent"), ordering="agent")
    def on_agent(self, event: AuditEvent) -> str:
        """Return the agent as people know it, and through whom it was called, if through anybody.

        A workload identity that belongs to no agent has its own name.
        """
        name = agent_of(event) or "-"
        if not event.detail.get("chain"):
            return name
        return format_html('{} <span class="below">{}</span>', name, self.path(event))

    def path(self, event: AuditEvent) -> str:
        """Return the person, everybody through whom the agent was called, and the agent."""
        return told_of(steps_of(event))

    @admin.display(description=_("on whose behalf"))
    def chain(self, event: AuditEvent) -> str:
        """Return the same as a picture, with the service that it came to, if to any."""
        return drawn([*steps_of(event), *service_of(event)])

    @admin.display(description=_("provider"), ordering="provider")
    def at_provider(self, event: AuditEvent) -> str:
        """Return the provider by the name under which agents know it."""
        return event.provider or "-"

    @admin.display(description=_("reference"), ordering="reference")
    def short_reference(self, event: AuditEvent) -> str:
        """Return the beginning of the reference, leading to everything that happened under it.

        What an agent asked while it was called stands with that call.
        """
        together = _invocation(event) or event.reference
        return _all_of(together, together[:_SHORT])

    @admin.display(description=_("reference"))
    def same_reference(self, event: AuditEvent) -> str:
        """Return the reference, leading to everything that happened under it."""
        return format_html(
            "{} {}", _all_of(event.reference, event.reference), _("(all events of it)")
        )

    @admin.display(description=_("during the call"))
    def of_invocation(self, event: AuditEvent) -> str:
        """Return the call to the agent in whose course it happened, leading to all of that."""
        return _all_of(_invocation(event), _invocation(event))

    @admin.display(description=_("what to do"))
    def explained(self, event: AuditEvent) -> str:
        """Return what a refusal compared and the fix, and where another token can be explained."""
        finding = finding_of(event.reason, event.detail) if event.outcome == "refused" else None
        if finding is None:
            return "-"
        agent = Agent.objects.filter(agent_id=event.agent).first() if event.agent else None
        return render_to_string(
            "admin/agents/_explained.html", {"finding": finding, "agent": agent}
        )

    @admin.display(description=_("detail"))
    def details(self, event: AuditEvent) -> str:
        """Return the names and numbers that were kept with it."""
        if not event.detail:
            return "-"
        text = json.dumps(event.detail, ensure_ascii=False, indent=2, sort_keys=True)
        return format_html('<pre class="details">{}</pre>', text)
