"""What an admin may do about a person's account and about groups; signing in does the rest."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import audit
from core.audit import Actor
from core.errors import Conflict
from core.models import User


class OwnAccount(Conflict):
    """An admin who switched their own account off could not switch it on again."""

    code = "own_account"
    message = _("You cannot switch off your own account.")


def person_switch(*, person: User, active: bool, actor: Actor) -> None:
    """Switch a person's account on or off. Off, they are refused everywhere within a second.

    Raises:
        OwnAccount: the actor's own would be switched off.
    """
    if not active and actor.subject == person.subject:
        raise OwnAccount
    with transaction.atomic():
        changed = User.objects.filter(pk=person.pk).exclude(is_active=active)
        if changed.update(is_active=active):
            audit.record(
                audit.Event(
                    "admin.person.enabled" if active else "admin.person.disabled",
                    actor=actor.name,
                    subject=actor.subject,
                    detail={"iss": person.iss, "sub": person.sub},
                )
            )
    person.is_active = active


def group_create(*, name: str, actor: Actor) -> Group:
    """Return a new group, for agents to be opened to before its first member signs in."""
    with transaction.atomic():
        group = Group.objects.create(name=name)
        audit.record(
            audit.Event(
                "admin.group.created",
                actor=actor.name,
                subject=actor.subject,
                detail={"group": name},
            )
        )
    return group
