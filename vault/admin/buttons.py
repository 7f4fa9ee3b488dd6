"""Rows of the admin site with buttons, each a POST to an address of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse

from agents.admin.shared import DeclaredAdmin

# What a button does to a row, and the page that answers; None: that of the row.
Press = Callable[[HttpRequest, Any], HttpResponseBase | None]


class WithButtons(DeclaredAdmin[Any]):
    """Rows with buttons."""

    def button(self, name: str, press: Press, *, may: Callable[[HttpRequest], bool]) -> URLPattern:
        """Return the address of a button, for whoever `may` press it."""

        def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            row = self.row_to_act_on(request, object_id, may=may(request))
            return press(request, row) or self._page_of(row)

        return path(
            f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=self._called(name)
        )

    def _page_of(self, row: Model) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{self._called('change')}", args=[row.pk]))

    def _called(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"
