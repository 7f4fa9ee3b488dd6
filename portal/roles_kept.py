"""Keeps in the database what `portal.roles` says, whenever its tables were brought up to date."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from portal.roles import ROLES


@receiver(post_migrate, dispatch_uid="portal.roles_kept")
def keep_roles(sender: Any, apps: Apps = installed, **told: Any) -> None:
    """Make each role have its permissions and no others; delete roles that there are no more.

    People keep the roles that they have. Permissions that were given in any other way are not
    touched.
    """
    if sender.name != "portal":
        return
    try:
        role_model = apps.get_model("core", "Role")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:  # the tables were taken back to before there were roles
        return
    wanted: dict[str, set[str]] = defaultdict(set)
    for permission in set().union(*ROLES.values()):
        label, codename = permission.split(".")
        wanted[label].add(codename)
    for label in wanted:  # those of apps whose turn comes after this one
        create_permissions(installed.get_app_config(label), verbosity=0, apps=apps)
    found = {
        f"{row.content_type.app_label}.{row.codename}": row
        for label, codenames in wanted.items()
        for row in permission_model.objects.select_related("content_type").filter(
            content_type__app_label=label, codename__in=codenames
        )
    }
    role_model.objects.exclude(name__in=ROLES).delete()
    for name, permissions in ROLES.items():
        role, _made = role_model.objects.get_or_create(name=name)
        role.permissions.set([found[each] for each in permissions])
