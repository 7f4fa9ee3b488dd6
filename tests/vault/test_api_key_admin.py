"""API key providers on the admin site, as an admin's browser meets them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.models import WorkloadIdentity
from core.models import User
from core.secret import Secret
from tests.vault import test_admin
from tests.vault.conftest import BACKEND, events
from vault.models import ApiKeyProvider

pytestmark = pytest.mark.django_db
admin = test_admin.admin  # the fixture: alice's browser

PAGES = "admin:vault_apikeyprovider"
KEY = "sk-of-the-third-party"


def form(**changed: Any) -> dict[str, Any]:
    """Return what an admin types for a new provider."""
    return {
        "name": "weather",
        "enabled": "on",
        "secret_source": "MANAGED",
        "api_key": KEY,
        "external_secret_id": "",
        "external_json_key": "",
        "workloads": [],
        **changed,
    }


def saved(admin: Client, **changed: Any) -> ApiKeyProvider:
    response = admin.post(reverse(f"{PAGES}_add"), form(**changed))
    assert response.status_code == 302, response.content.decode()
    return ApiKeyProvider.objects.get()


def change(admin: Client, provider: ApiKeyProvider, **changed: Any) -> Any:
    return admin.post(reverse(f"{PAGES}_change", args=[provider.pk]), form(**changed))


def test_a_key_goes_in_and_never_comes_out(admin: Client, concierge: WorkloadIdentity) -> None:
    provider = saved(admin, workloads=[concierge.pk])

    assert provider.key() == Secret(KEY)
    assert list(provider.workloads.all()) == [concierge]
    assert not provider.any_workload
    for page in (
        reverse(f"{PAGES}_change", args=[provider.pk]),
        reverse(f"{PAGES}_changelist"),
    ):
        shown = admin.get(page).content.decode()
        assert "weather" in shown
        assert KEY not in shown
    (added,) = events("admin.api_key_provider.added")
    assert (added.provider, KEY in str(added.detail)) == ("weather", False)


def test_the_list_says_who_may_have_a_key(admin: Client, concierge: WorkloadIdentity) -> None:
    page = reverse(f"{PAGES}_changelist")
    provider = saved(admin, any_workload="on")
    assert "every agent" in admin.get(page).content.decode()

    change(admin, provider, workloads=[concierge.pk])
    assert "Concierge" in admin.get(page).content.decode()
    change(admin, provider)
    assert "nobody" in admin.get(page).content.decode()


def test_saving_without_typing_the_key_keeps_it(admin: Client) -> None:
    provider = saved(admin)

    assert change(admin, provider, api_key="").status_code == 302

    provider.refresh_from_db()
    assert provider.key() == Secret(KEY)
    assert events("admin.api_key_provider.changed")[0].detail["new_secret"] is False


def test_a_key_moves_to_aws_and_back(admin: Client) -> None:
    provider = saved(admin)
    there = {"external_secret_id": "weather/prod", "external_json_key": "key"}

    change(admin, provider, secret_source="EXTERNAL", api_key="", **there)
    provider.refresh_from_db()
    assert (provider.secret_sealed, provider.external_secret_id) == (None, "weather/prod")

    assert b"Needed." in change(admin, provider, api_key="", **there).content
    assert change(admin, provider, api_key="another", **there).status_code == 302
    provider.refresh_from_db()
    assert (provider.external_secret_id, provider.key()) == ("", Secret("another"))


@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": ""},
        {"name": "a b"},
        {"secret_source": "EXTERNAL", "api_key": ""},
        {
            "secret_source": "EXTERNAL",
            "external_secret_id": "weather/prod",
            "external_json_key": "key",
        },
    ],
)
def test_what_cannot_be_is_refused(admin: Client, changed: dict[str, Any]) -> None:
    response = admin.post(reverse(f"{PAGES}_add"), form(**changed))

    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert not ApiKeyProvider.objects.exists()


def test_a_provider_is_deleted_after_a_question(admin: Client) -> None:
    provider = saved(admin)
    page = reverse(f"{PAGES}_delete", args=[provider.pk])

    assert admin.get(page).status_code == 200
    assert ApiKeyProvider.objects.exists()
    assert admin.post(page, {"post": "yes"}).status_code == 302
    assert not ApiKeyProvider.objects.exists()
    assert events("admin.api_key_provider.deleted")


def test_whoever_may_only_look_keeps_nothing(admin: Client, bob: User) -> None:
    provider = saved(admin)
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    looker = Client()
    looker.force_login(bob, backend=BACKEND)

    assert looker.get(reverse(f"{PAGES}_changelist")).status_code == 200
    assert looker.get(reverse(f"{PAGES}_add")).status_code == 403
    assert change(looker, provider, api_key="another").status_code == 403
    provider.refresh_from_db()
    assert provider.key() == Secret(KEY)
