"""What the admin site's first page tells at a glance, to whoever may look at it.

Each number comes with the list it was counted from. Nobody is told a number of rows that they may
not look at: what each part asks of its reader is said once, in `_PARTS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.admin.audit_filters import minute
from agents.admin.reason_words import why
from agents.admin.shared import Tone, trail_of
from agents.models import Agent
from agents.selectors import names_of
from core import figures, plots
from core.figures import Mishap, TooMuchToCount, Window
from core.models import User
from portal.feedback import verdicts
from portal.workers import workers
from vault.holdings.counting import counted
from vault.models import CredentialProvider

SIGN_IN, CALL, CALL_ENDED = "person.signed_in", "agent.invocation", "agent.invocation.ended"
REFRESH = "vault.refresh"
_LISTED = 8
_S = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time to look back over."""

    name: str
    words: StrOrPromise
    steps: int
    step: Literal["hour", "day"]

    def window(self, at: datetime) -> Window:
        """Return the time that it is at `at`."""
        return Window.ending(at, steps=self.steps, step=self.step)


SPANS = {
    span.name: span
    for span in (
        Span("day", _("24 hours"), 24, "hour"),
        Span("week", _("7 days"), 7, "day"),
        Span("month", _("30 days"), 30, "day"),
    )
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number, what it is of, and the list it leads to."""

    words: StrOrPromise
    said: str
    url: str
    note: StrOrPromise = ""
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Plot:
    """Numbers over time: drawn, and as rows to read."""

    title: StrOrPromise
    svg: str
    total: Number
    rows: Sequence[Number]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    words: StrOrPromise
    url: str
    cells: Sequence[str]
    code: str = ""


@dataclass
class Overview:
    """All that is told to one reader."""

    span: Span
    window: Window
    at: datetime
    steps: list[Number] = field(default_factory=list)
    now: list[Number] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    reasons: list[Row] | None = None
    slow: list[Row] | None = None
    thought: list[Row] | None = None
    too_much: bool = False
    spans: Iterable[Span] = tuple(SPANS.values())


def overview_for(user: Any, *, span: str, at: datetime) -> Overview:
    """Return what `user` may see of the last `span` before `at`; an unknown one is the shortest.

    Nothing is locked, and what cannot be counted within seconds is left out and said to be.
    """
    chosen = SPANS.get(span, SPANS["day"])
    told = Overview(span=chosen, window=chosen.window(at), at=at)
    for permission, part in _PARTS:
        if user.has_perm(permission):
            try:
                part(told, user)
            except TooMuchToCount:
                told.too_much = True
    return told


def _first_steps(told: Overview, user: User) -> None:
    """Say what is to be done before there is anything to count."""
    agents = Agent.objects.filter(enabled=True).count()
    url = reverse("admin:agents_agent_changelist", query={"enabled__exact": "1"})
    told.now.append(Number(_("Agents switched on"), str(agents), url))
    if not agents and user.has_perm("agents.add_agent"):
        words = _("Register an agent")
        note = _("Say where it runs and who may call it; it is tested before anybody uses it.")
        told.steps.append(Number(words, "", reverse("admin:agents_agent_add"), note))


def _providers(told: Overview, user: User) -> None:
    if user.has_perm("vault.add_credentialprovider") and not CredentialProvider.objects.exists():
        words = _("Add a credential provider")
        note = _("A service, such as Google or Slack, that agents reach with people's consent.")
        url = reverse("admin:vault_credentialprovider_add")
        told.steps.append(Number(words, "", url, note))


def _grants(told: Overview, user: User) -> None:
    def listed(words: StrOrPromise, count: int, tone: Tone = "quiet", **query: str) -> Number:
        url = reverse("admin:vault_grant_changelist", query=query)
        return Number(words, str(count), url, tone=tone if count else "quiet")

    held = counted(at=told.at)
    told.now += [
        listed(_("Connections that work"), held.live, state__exact="live"),
        listed(_("Need reconnecting"), held.lapsed, "warning", state__exact="lapsed"),
        listed(_("Ended connections"), held.revoked, state__exact="revoked"),
        listed(_("Refreshes due within the hour"), held.due_soon, refresh="soon"),
        listed(_("Refreshes overdue"), held.overdue, "bad", refresh="overdue"),
    ]


def _activity(told: Overview, user: User) -> None:
    found = figures.mishaps(told.window)
    refused = [one for one in found if one.outcome == "refused"]
    told.reasons = _reasons(refused, told.window)
    at_steps: Counter[datetime] = Counter()
    for one in refused:
        at_steps[one.step] += one.count
    counts = figures.counts(told.window, actions=(SIGN_IN, CALL, REFRESH))
    told.plots = [
        _plot(told, "signins", _("Sign-ins"), counts[SIGN_IN], action=SIGN_IN),
        _plot(told, "calls", _("Calls to agents"), counts[CALL], action=CALL),
        _plot(told, "refusals", _("Refusals"), at_steps, outcome__exact="refused"),
    ]
    failed = sum(one.count for one in found if one.action == REFRESH and one.outcome == "failed")
    told.now.append(_refreshes(told, counts[REFRESH].total(), failed))


def _refreshes(told: Overview, all_of_them: int, failed: int) -> Number:
    said = f"{(all_of_them - failed) / all_of_them:.1%}" if all_of_them else "-"
    note = _("%(failed)d failed of %(all)d in %(span)s")
    query = {"outcome__exact": "failed"} if failed else {}
    return Number(
        _("Refreshes that worked"),
        said,
        trail_of(action=REFRESH, **query, **_within(told.window)),
        note % {"failed": failed, "all": all_of_them, "span": told.span.words},
        "warning" if failed else "quiet",
    )


def _reasons(refused: Sequence[Mishap], window: Window) -> list[Row]:
    counts: Counter[str] = Counter()
    for one in refused:
        counts[one.reason] += one.count
    return [
        Row(
            why(reason) or reason or _("no reason on record"),
            trail_of(outcome__exact="refused", reason=reason, **_within(window)),
            [str(count)],
            reason,
        )
        for reason, count in counts.most_common(_LISTED)
    ]


def _slow_agents(told: Overview, user: User) -> None:
    found = figures.durations(told.window, action=CALL_ENDED)[:_LISTED]
    names = names_of([one.agent for one in found])
    told.slow = [
        Row(
            names.get(one.agent, one.agent),
            trail_of(action=CALL_ENDED, agent=one.agent, **_within(told.window)),
            [_seconds(one.median_ms), _seconds(one.slowest_tenth_ms), str(one.calls)],
        )
        for one in found
    ]


def _workers(told: Overview, user: User) -> None:
    found = workers(at=told.at)
    if found is None:
        number = Number(_("Workers"), "?", "", _("Redis does not answer"), "bad")
    else:
        alive = sum(worker.is_alive for worker in found)
        silent = [worker for worker in found if not worker.is_alive]
        note: StrOrPromise = ""
        if silent:
            seen = {"name": silent[0].name, "time": formats.time_format(silent[0].seen_at, "H:i")}
            note = _("%(name)s is silent since %(time)s UTC") % seen
        elif not alive:
            note = _("Nothing is refreshed or revoked until one is started")
        tone: Tone = "bad" if not alive else "warning" if silent else "good"
        number = Number(_("Workers alive"), str(alive), "", note, tone)
    told.now.append(number)


def _feedback(told: Overview, user: User) -> None:
    """Count what people think of answers; of an agent that few have judged, nothing is told."""
    names = {agent.pk: agent for agent in Agent.objects.only("display_name")}
    told.thought = [
        Row(
            str(names[one.agent_pk]),
            reverse("admin:agents_agent_change", args=[one.agent_pk]),
            [str(one.good), str(one.bad)],
        )
        for one in verdicts(since=told.window.since, until=told.window.until)[:_LISTED]
    ]


_PARTS: Sequence[tuple[str, Callable[[Overview, User], None]]] = (
    ("agents.view_agent", _first_steps),
    ("vault.view_credentialprovider", _providers),
    ("vault.view_grant", _grants),
    ("core.view_auditevent", _activity),
    ("core.view_auditevent", _slow_agents),
    ("core.view_auditevent", _workers),
    ("agents.view_agent", _feedback),
)


def _plot(
    told: Overview, name: str, title: StrOrPromise, counts: Counter[datetime], **query: str
) -> Plot:
    window = told.window
    values = [counts[step] for step in window.steps]
    rows = [
        Number(
            _when(step, window),
            str(value),
            trail_of(**query, since=minute(step), until=minute(step + window.length)),
        )
        for step, value in zip(window.steps, values, strict=True)
    ]
    most = max(values)
    sentence = _("%(sum)d in all; most at %(when)s: %(most)d") % {
        "sum": sum(values),
        "most": most,
        "when": rows[values.index(most)].words,
    }
    svg = plots.columns(
        values,
        name=f"plot-{name}",
        title=f"{title}: {told.span.words}",
        told=sentence if most else str(_("nothing in this time")),
        first=str(rows[0].words),
        last=str(rows[-1].words),
    )
    url = trail_of(**query, **_within(window))
    return Plot(title, svg, Number(title, str(sum(values)), url), rows[::-1])


def _within(window: Window) -> dict[str, str]:
    return {"since": minute(window.since), "until": minute(window.until)}


def _when(step: datetime, window: Window) -> str:
    kind = "H:i" if window.step == "hour" else "MONTH_DAY_FORMAT"
    return formats.date_format(step, kind)


def _seconds(ms: float) -> str:
    """Return a time in words that stay on one line."""
    if ms < _S:
        said = _("%(time)s ms") % {"time": f"{ms:.0f}"}
    else:
        said = _("%(time)s s") % {"time": f"{ms / _S:.2f}"}
    return said.replace(" ", "\N{NO-BREAK SPACE}")
