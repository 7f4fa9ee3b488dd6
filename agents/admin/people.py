"""People and groups on the admin site. The identity provider says who they are."""

from __future__ import annotations

from typing import Any

from django import forms

# Registers the stock page for groups, which ours takes the place of.
from django.contrib import admin, messages
from django.contrib.auth import admin as _stock  # noqa: F401
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents import people
from agents.admin.shared import actor_of
from core.models import User

admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(admin.ModelAdmin[User]):
    """Look, and switch on or off. An account is made by signing in, and has no password here."""

    fields = (
        *("name", "email", "iss", "sub", "is_active", "is_staff", "is_superuser", "groups"),
        *("date_joined", "last_login"),
    )
    readonly_fields = fields
    list_display = ("display_name", "email", "sub", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("name", "email", "=sub")
    ordering = ("name", "pk")
    actions = ("disable_selected", "enable_selected")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return False: the trail and what was granted name the person."""
        return False

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may switch accounts on and off."""
        return request.user.has_perm("core.change_user")

    @admin.action(permissions=["switch"], description=_("Switch the selected accounts off"))
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Switch each account off, but for the admin's own."""
        for person in queryset:
            try:
                people.person_switch(person=person, active=False, actor=actor_of(request))
            except people.OwnAccount as refused:
                self.message_user(request, str(refused.message), messages.ERROR)

    @admin.action(permissions=["switch"], description=_("Switch the selected accounts on"))
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Switch each account on."""
        for person in queryset:
            people.person_switch(person=person, active=True, actor=actor_of(request))


@admin.register(Group)
class GroupAdmin(admin.ModelAdmin[Group]):
    """Groups come with their people. One can be made before them, to open an agent to it."""

    fields = ("name",)
    list_display = ("name",)
    search_fields = ("name",)
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return False: its name is the identity provider's word for it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return False: agents may be open to it."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Group, form: forms.ModelForm[Group], change: bool
    ) -> None:
        """Create the group through the service."""
        created: Any = people.group_create(name=obj.name, actor=actor_of(request))
        obj.__dict__.update(created.__dict__)  # the row that the admin goes on with
