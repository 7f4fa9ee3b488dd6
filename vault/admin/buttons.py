"""Rows of the admin site with buttons, each a POST to an address of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse

from agents.admin.shared import DeclaredAdmin


class WithButtons(DeclaredAdmin[Any]):
    """Rows with buttons, each a POST to an address of its own."""

    def _url(self, view: str, *args: object) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}", args=args)

    def button(self, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        called = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=called)

    def pressed(self, request: HttpRequest, object_id: str, *, may: bool) -> Any:
        """Return the row of a button's address to an admin who may press it."""
        if not may:
            raise PermissionDenied
        row: Model | None = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def to_page(self, row: Model) -> HttpResponseRedirect:
        return HttpResponseRedirect(self._url("change", row.pk))
