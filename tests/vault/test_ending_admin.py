"""Ending all access on the admin site: asked first, for whoever may, and watched after."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core.models import User
from tests.vault.conftest import World
from vault.ending.cascade import work_off
from vault.models import AccessEnding, CredentialProvider, Grant

pytestmark = pytest.mark.django_db

ORDERS = "admin:vault_accessending_changelist"


def end(admin: Client, of: str, pk: object, **asked: str) -> str:
    """Choose the action for one row of a list, and return the page that follows."""
    chosen = {"action": "end_access", "_selected_action": [str(pk)], **asked}
    page = admin.post(reverse(f"admin:{of}_changelist"), chosen, follow=True)
    return str(page.content.decode())


@pytest.mark.parametrize("of", ["agents_agent", "agents_workloadidentity", "core_user",
                                "vault_credentialprovider"])  # fmt: skip
def test_it_is_asked_with_how_much_ends_and_then_done(
    of: str, admin: Client, world: World, alice: User
) -> None:
    world.grant(alice)
    rows: dict[str, Any] = {
        "agents_agent": world.identity.agent,
        "agents_workloadidentity": world.identity,
        "core_user": alice,
        "vault_credentialprovider": world.provider,
    }
    row = rows[of]

    asked = end(admin, of, row.pk)
    assert f"{row}: 1 connection<" in asked
    row.refresh_from_db()
    assert getattr(row, "is_active", getattr(row, "enabled", None)) is True
    assert not AccessEnding.objects.exists()

    done = end(admin, of, row.pk, confirmed="yes")
    assert "its access is being ended" in done
    assert "0 of 1" in done
    row.refresh_from_db()
    assert getattr(row, "is_active", getattr(row, "enabled", None)) is False

    work_off(for_s=10)
    page = admin.get(reverse(ORDERS)).content.decode()
    assert "1 of 1" in page
    assert "the provider is away, and told later: 1" in page
    assert "under way" in page


def test_ones_own_account_is_not_ended(admin: Client, bob: User) -> None:
    page = end(admin, "core_user", bob.pk, confirmed="yes")

    assert "You cannot switch off your own account." in page
    assert not AccessEnding.objects.exists()


def test_whoever_may_only_switch_off_ends_nothing(
    admin: Client, world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    bob.is_superuser = False
    bob.save(update_fields=["is_superuser"])
    bob.user_permissions.set(
        Permission.objects.filter(codename__in=["view_credentialprovider",
                                                "change_credentialprovider"])
    )  # fmt: skip

    end(admin, "vault_credentialprovider", world.provider.pk, confirmed="yes")

    assert Grant.objects.get().state == "live"
    assert CredentialProvider.objects.get().enabled
    assert not AccessEnding.objects.exists()


def test_orders_are_looked_at_alone(admin: Client, world: World, alice: User) -> None:
    world.grant(alice)
    end(admin, "core_user", alice.pk, confirmed="yes")
    order = AccessEnding.objects.get()

    page = admin.get(reverse("admin:vault_accessending_change", args=[order.pk]))
    assert "Alice" in page.content.decode()
    for verb in ("delete", "change"):
        url = reverse(f"admin:vault_accessending_{verb}", args=[order.pk])
        assert admin.post(url, {"post": "yes"}).status_code == 403
    assert admin.get(reverse("admin:vault_accessending_add")).status_code == 403
