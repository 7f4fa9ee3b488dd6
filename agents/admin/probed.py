"""What agents and providers have in common on the admin site: each can be tested."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from agents.admin.shared import DeclaredAdmin, trail_of
from agents.probe import Finding

_Row = TypeVar("_Row", bound=Model)


class ProbedAdmin(DeclaredAdmin[_Row]):
    """Rows that are tested on their page or from the list, and deleted one at a time."""

    change_form_template = "admin/probed.html"

    def findings(self, row: _Row) -> Iterable[Finding]:
        """Return what a test of `row` finds now."""
        raise NotImplementedError

    def in_trail(self, row: _Row) -> dict[str, str]:
        """Return by what the audit trail is filtered for `row`."""
        raise NotImplementedError

    def page_of(self, row: _Row) -> str:
        """Return the URL of the page of `row`."""
        return reverse(f"admin:{self._url_name('change')}", args=[row.pk])

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs and that of the test."""
        test = self.admin_site.admin_view(self.test_view)
        name = self._url_name("test")
        return [path("<path:object_id>/test/", test, name=name), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions, without deleting many at once."""
        return {k: v for k, v in super().get_actions(request).items() if k != "delete_selected"}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead from the row to all that is on record of it."""
        row = self.get_object(request, unquote(object_id))
        trail = {"trail_url": trail_of(**self.in_trail(row))} if row else {}
        return super().change_view(request, object_id, form_url, {**trail, **(extra_context or {})})

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Test one row, and show what was found on its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        may = self.has_change_permission(request)
        row = self.row_to_act_on(request, object_id, may=may)
        self._tell(request, row)
        return HttpResponseRedirect(self.page_of(row))

    @admin.action(
        permissions=["change"], description=_("Test the selected %(verbose_name_plural)s")
    )
    def test_selected(self, request: HttpRequest, queryset: QuerySet[_Row]) -> None:
        """Test each row."""
        for row in queryset:
            self._tell(request, row)

    def _url_name(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"

    def _tell(self, request: HttpRequest, row: _Row) -> None:
        for finding in self.findings(row):
            level = messages.SUCCESS if finding.ok else messages.WARNING
            self.message_user(request, f"{row}: {finding}", level)
