"""What the admin pages share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import NestedObjects, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.audit import Actor
from core.models import User

_Row = TypeVar("_Row", bound=Model)
# How Django's own filters by a field name it in a query.
_BY_FIELD = ("", "__exact", "__isnull", "__id__exact")


def actor_of(request: HttpRequest) -> Actor:
    """Return the admin who asks; the admin site lets nobody else in."""
    return Actor.person(cast(User, request.user))


class DeclaredChangeList(ChangeList):
    """A list of rows, to which every wrong parameter leads back, whatever is wrong about it."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the stock filters.

        Raises:
            IncorrectLookupParameters: a filter is not offered, or its value, such as a date that no
                calendar has, cannot be one.
        """
        try:
            return super().get_filters(request)
        except (DisallowedModelAdminLookup, OverflowError, ValueError) as exc:
            raise IncorrectLookupParameters from exc


class _NotYet:
    """A form that comes back with what was typed, but for secrets, and the way to sign in again."""

    sign_in_again_url: str

    def clean(self) -> Any:
        """Add why it is not saved."""
        cleaned = super().clean()  # type: ignore[misc]  # the form's
        self.add_error(  # type: ignore[attr-defined]  # the form's
            None,
            format_html(
                '{} <a href="{}" target="_blank" rel="noopener">{}</a>',
                _(
                    "Nothing was saved: this takes a sign-in that is not older than ten minutes. "
                    "Sign in again in another tab, then save here once more."
                ),
                self.sign_in_again_url,
                _("Sign in again"),
            ),
        )
        return cleaned


class DeclaredAdmin(admin.ModelAdmin[_Row]):
    """Rows that are filtered by what their list offers, and by nothing else.

    Any column would do for the stock class, with any lookup: also what is sealed, letter by letter,
    and with a pattern that the database cannot read, or reads for minutes.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Say whether a parameter of the query is one that the list's own links have."""
        offered = {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")}
        for declared in self.get_list_filter(request):
            if isinstance(declared, str):
                offered |= {declared + suffix for suffix in _BY_FIELD}
            elif isinstance(declared, type) and issubclass(declared, admin.SimpleListFilter):
                offered |= {str(declared.parameter_name), *getattr(declared, "besides", ())}
        return lookup in offered

    def get_form(
        self, request: HttpRequest, obj: _Row | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, which saves nothing while its admin has to sign in again first."""
        form = super().get_form(request, obj, change=change, **kwargs)
        url = getattr(request, "sign_in_again_url", None)
        if url is None:
            return form
        return type(form.__name__, (_NotYet, form), {"sign_in_again_url": url})

    def row_to_act_on(self, request: HttpRequest, object_id: str, *, may: bool) -> _Row:
        """Return the row of a page's address to an admin who may do what the page does.

        Raises:
            PermissionDenied: this admin may not.
            Http404: there is no such row.
        """
        if not may:
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def told_of(self, request: HttpRequest, row: _Row, *, title: StrOrPromise) -> dict[str, Any]:
        """Return what `admin/of_row.html` shows on a page about a row that has such a title."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": str(row),
            "opts": self.opts,
            "row": row,
        }

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list above."""
        return DeclaredChangeList


class LookOnly:
    """Rows that are made elsewhere are not added, edited or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return False."""
        return False


Tone = Literal["good", "warning", "bad", "quiet"]


def chip(words: StrOrPromise, tone: Tone) -> str:
    """Return a short word as a coloured label; the word alone says what the colour does."""
    return format_html('<span class="chip chip-{}">{}</span>', tone, words)


def moment(at: datetime | None) -> str:
    """Return a time to the second, in UTC as in the log, in a way that sorts as it reads."""
    if at is None:
        return ""
    said = formats.date_format(timezone.localtime(at), "Y-m-d H:i:s")
    return format_html('<time class="moment" datetime="{}">{}</time>', at.isoformat(), said)


def switched(enabled: bool) -> str:
    """Return whether something is on, as a label."""
    return chip(_("on"), "good") if enabled else chip(_("off"), "quiet")


def tell_switched(request: HttpRequest, row: Model, *, enabled: bool) -> None:
    """Tell the admin what an action did to `row`."""
    said = _("“%(name)s” is switched on.") if enabled else _("“%(name)s” is switched off.")
    messages.success(request, said % {"name": row})


def trail_of(**chosen: str) -> str:
    """Return the URL of the audit trail, filtered."""
    return reverse("admin:core_auditevent_changelist", query=chosen)


def deletion_of(*kinds_of_rows: Sequence[Model]) -> tuple[list[str], dict[Any, int], list[str]]:
    """Return what a deletion entails: in words, as counts by kind, and what is in its way.

    `kinds_of_rows` are deleted together, each the rows of one model; none is in another's way.
    Counts rather than names: what people said or granted is not listed on an admin's page.
    """
    collector = NestedObjects(using=DEFAULT_DB_ALIAS)
    for rows in kinds_of_rows:
        collector.collect(rows)
    kinds: dict[Any, Any] = collector.model_objs
    # What only says that two rows belong together is no thing that anybody knows of.
    entailed = {
        model._meta: len(found) for model, found in kinds.items() if not model._meta.auto_created
    }
    going = {(type(row), row.pk) for rows in kinds_of_rows for row in rows}
    kept = [row for row in collector.protected if (type(row), row.pk) not in going]
    in_the_way = Counter(row._meta for row in kept)
    return (
        [_counted(meta, number) for meta, number in entailed.items()],
        {meta.verbose_name_plural: number for meta, number in entailed.items()},
        [_counted(meta, number) for meta, number in in_the_way.items()],
    )


def _counted(meta: Any, number: int) -> str:
    name = meta.verbose_name if number == 1 else meta.verbose_name_plural
    return f"{number} {name}"


class LinesField(forms.CharField):
    """A list of strings, one on each line."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
        super().__init__(**{"required": False, "widget": widget, **options})

    def to_python(self, value: Any) -> Any:
        """Return the lines as a tuple, without blank ones."""
        text = super().to_python(value) or ""
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def prepare_value(self, value: Any) -> Any:
        """Return the list as text; what was typed stays as it was."""
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether another list was typed."""
        return bool(tuple(initial or ()) != self.to_python(data))
