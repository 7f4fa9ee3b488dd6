"""The admin site: its sections are named by what is in them, whichever app holds it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import apps as admin_apps
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

PEOPLE_AND_AUDIT = _("People and audit")
# What an admin comes for first stands first; what is not named here follows.
_ORDER = (
    *("Agent", "WorkloadIdentity", "AccessKey", "ResourcePolicy"),
    "RuntimeSession",
    *("CredentialProvider", "Grant", "ConsentSession", "AccessEnding"),
    *("WebhookEndpoint", "WebhookDelivery"),
    *("AuditEvent", "User", "Group"),
)
_NOT_HERE = {"view_on_site", "password_change", "password_change_done"}


class AdminConfig(admin_apps.AdminConfig):
    """Django's own app, with the site below."""

    default_site = "core.admin_site.Site"

    def ready(self) -> None:
        """Register the pages; of Django's own app there are the groups, which are of people."""
        apps.get_app_config("auth").verbose_name = PEOPLE_AND_AUDIT
        super().ready()


class Site(AdminSite):
    """The stock site. Who may enter is asked by each page, as ever."""

    site_header = "Daiko"
    index_title = _("Administration")

    def get_urls(self) -> list[Any]:
        """Return the stock URLs but for "view on site" and those that change a password.

        The first looks any row of any table up, by any text; the others are for passwords that
        nobody has here.
        """
        return [url for url in super().get_urls() if getattr(url, "name", "") not in _NOT_HERE]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the sections, the groups among the people; with `app_label`, the one that has it.

        Each holds what this admin may look at, as in the stock list.
        """
        sections = super().get_app_list(request)
        by_label = {section["app_label"]: section for section in sections}
        people, groups = by_label.get("core"), by_label.get("auth")
        if people and groups:
            people["models"] += groups["models"]
            sections.remove(groups)
            by_label["auth"] = people
        for section in sections:
            section["models"].sort(key=lambda model: _place(model["object_name"]))
        sections.sort(key=lambda section: _place(section["models"][0]["object_name"]))
        if app_label is None:
            return sections
        return [by_label[app_label]] if app_label in by_label else []


def _place(model: str) -> int:
    return _ORDER.index(model) if model in _ORDER else len(_ORDER)
