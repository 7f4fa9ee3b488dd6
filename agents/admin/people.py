"""People and groups on the admin site. The identity provider says who they are."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

# Registers the stock page for groups, which ours takes the place of.
from django.contrib import admin, messages
from django.contrib.auth import admin as _stock  # noqa: F401
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from agents import people
from agents.admin.shared import (
    DeclaredAdmin,
    LookOnly,
    actor_of,
    chip,
    moment,
    switched,
    tell_switched,
)
from core.models import User

admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(LookOnly, DeclaredAdmin[User]):
    """Look, and switch on or off. An account is made by signing in, and has no password here.

    None is deleted: the trail and what was granted name the person.
    """

    fields: ClassVar[tuple[str, ...]] = (
        *("name", "email", "iss", "sub", "is_on", "administers", "in_groups"),
        *("date_joined", "signed_in"),
    )
    readonly_fields: ClassVar[tuple[str, ...]] = fields
    list_display = ("display_name", "email", "in_groups", "is_on", "administers", "signed_in")
    list_filter = ("is_active", "is_staff", "roles", "groups")
    search_fields = ("name", "email", "=sub", "groups__name")
    search_help_text = _("A part of a name, of an e-mail address or of a group; or a subject.")
    nothing_yet = _("Nobody has signed in yet.")
    ordering = ("name", "pk")
    actions = ("disable_selected", "enable_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the people with their groups and roles."""
        return super().get_queryset(request).prefetch_related("groups", "roles")

    @admin.display(description=_("name"), ordering="name")
    def display_name(self, person: User) -> str:
        """Return what to call the person."""
        return person.display_name

    @admin.display(description=_("groups"))
    def in_groups(self, person: User) -> str:
        """Return the groups of the last sign-in."""
        return ", ".join(sorted(group.name for group in person.groups.all())) or "-"

    @admin.display(description=_("account"), ordering="is_active")
    def is_on(self, person: User) -> str:
        """Return whether the account is switched on."""
        return switched(person.is_active)

    @admin.display(description=_("administers"), ordering="is_staff")
    def administers(self, person: User) -> str:
        """Return as what the person administers the site."""
        if person.is_superuser:
            return chip(_("admin"), "warning")
        roles = ((chip(str(role), "quiet"),) for role in person.roles.all())
        return format_html_join(" ", "{}", roles) or "-"

    @admin.display(description=_("last sign-in (UTC)"), ordering="last_login")
    def signed_in(self, person: User) -> str:
        """Return when they signed in last."""
        return moment(person.last_login) or "-"

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
            else:
                tell_switched(request, person, enabled=False)

    @admin.action(permissions=["switch"], description=_("Switch the selected accounts on"))
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Switch each account on."""
        for person in queryset:
            people.person_switch(person=person, active=True, actor=actor_of(request))
            tell_switched(request, person, enabled=True)


@admin.register(Group)
class GroupAdmin(DeclaredAdmin[Group]):
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
