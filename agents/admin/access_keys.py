"""Access keys on the admin site: made, shown once, switched off."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext_lazy as _

from agents import access_keys
from agents.admin.shared import actor_of
from agents.models import AccessKey
from core.secret import Secret


@admin.register(AccessKey)
class AccessKeyAdmin(admin.ModelAdmin[AccessKey]):
    """Keys are never edited. A secret is on the page that answers its creation and nowhere else."""

    fields = ("access_key_id", "label", "workload_identity", "enabled", "created_at")
    readonly_fields = ("access_key_id", "enabled", "created_at")
    autocomplete_fields = ("workload_identity",)
    list_display = ("label", "access_key_id", "acts_as", "enabled", "created_at")
    list_filter = ("enabled",)
    list_select_related = ("workload_identity",)
    search_fields = ("label", "=access_key_id", "workload_identity__name")
    actions = ("disable_selected", "enable_selected")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # From the creation of a key to the page that answers the same request.
        self._created: WeakKeyDictionary[HttpRequest, Secret] = WeakKeyDictionary()

    def get_fields(self, request: HttpRequest, obj: AccessKey | None = None) -> Any:
        """Return the fields, on the empty form without what there is not yet."""
        return ("label", "workload_identity") if obj is None else self.fields

    def has_change_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        """Return False: another holder or another identity is another key."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        """Return False: the trail names keys by id. A key can be switched off."""
        return False

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may switch keys on and off."""
        return request.user.has_perm("agents.change_accesskey")

    @admin.display(description=_("acts as"))
    def acts_as(self, key: AccessKey) -> str:
        """Return the identity that the key is bound to."""
        return str(key.workload_identity or _("operator: everything"))

    def save_model(
        self,
        request: HttpRequest,
        obj: AccessKey,
        form: forms.ModelForm[AccessKey],
        change: bool,
    ) -> None:
        """Create the key through the service."""
        key, secret = access_keys.access_key_create(
            label=form.cleaned_data["label"],
            workload_identity=form.cleaned_data["workload_identity"],
            actor=actor_of(request),
        )
        obj.__dict__.update(key.__dict__)  # the row that the admin goes on with
        self._created[request] = secret

    def response_add(
        self, request: HttpRequest, obj: AccessKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key, this once. Not a redirect: nothing keeps the secret for another page."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Access key created"),
            "opts": self.opts,
            "key": obj,
            "secret_access_key": self._created.pop(request).reveal(),
        }
        page = TemplateResponse(request, "admin/agents/accesskey/created.html", context)
        add_never_cache_headers(page)
        return page

    @admin.action(permissions=["switch"], description=_("Switch the selected keys off"))
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        """Switch each key off."""
        for key in queryset:
            access_keys.access_key_switch(key=key, enabled=False, actor=actor_of(request))

    @admin.action(permissions=["switch"], description=_("Switch the selected keys on"))
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        """Switch each key on."""
        for key in queryset:
            access_keys.access_key_switch(key=key, enabled=True, actor=actor_of(request))
