"""Access keys on the admin site: limited, ended, rotated and revoked there."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.keys import access_keys, rotation
from agents.models import AccessKey, Agent
from core.models import AuditEvent
from tests.agents.conftest import ADMIN, recorded

ADD = "admin:agents_accesskey_add"
pytestmark = pytest.mark.django_db


def created(agent: Agent | None = None, **about: Any) -> AccessKey:
    identity = agent.workload_identity if agent else None
    key, _ = access_keys.access_key_create(
        label="laptop", workload_identity=identity, actor=ADMIN, **about
    )
    return key


def page_of(key: AccessKey, name: str = "change") -> str:
    return reverse(f"admin:agents_accesskey_{name}", args=[key.pk])


def text_of(client: Client, key: AccessKey) -> str:
    return html.unescape(client.get(page_of(key)).content.decode())


def errors(response: Any) -> list[str]:
    return list(response.context["adminform"].form.errors)


def test_a_key_is_made_for_some_operations_and_some_time(admin: Client, concierge: Agent) -> None:
    typed = {
        "label": "laptop",
        "kind": "agent",
        "workload_identity": concierge.workload_identity.pk,
        "operations": ["GetResourceOauth2Token", "GetWorkloadAccessTokenForJWT"],
        "expires_at_0": "2099-01-02",
        "expires_at_1": "03:04:05",
    }

    assert admin.post(reverse(ADD), typed).status_code == 200

    key = AccessKey.objects.get()
    assert key.operations == ["GetResourceOauth2Token", "GetWorkloadAccessTokenForJWT"]
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2099-01-02T03:04:05+00:00"
    page = text_of(admin, key)
    assert "GetResourceOauth2Token, GetWorkloadAccessTokenForJWT" in page
    assert "2099-01-02 03:04:05" in page
    event = AuditEvent.objects.get(action="admin.access_key.created")
    assert event.detail["operations"] == key.operations


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"operations": ["GetEverything"]}, ["operations"]),
        ({"operations": ["CreateWorkloadIdentity"]}, ["operations"]),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}, ["expires_at"]),
    ],
)
def test_a_key_is_not_made_for_what_cannot_be(
    admin: Client, concierge: Agent, changed: dict[str, Any], wrong: list[str]
) -> None:
    identity = concierge.workload_identity.pk
    typed = {"label": "laptop", "kind": "agent", "workload_identity": identity, **changed}

    assert errors(admin.post(reverse(ADD), typed)) == wrong
    assert not AccessKey.objects.exists()


def test_an_operators_key_says_that_it_may_do_everything_or_what_it_may(admin: Client) -> None:
    typed: dict[str, Any] = {"label": "op", "kind": "operator"}
    some = ["PutResourcePolicy"]

    both = {**typed, "operations": some, "may_do_everything": "on"}
    assert errors(admin.post(reverse(ADD), both)) == ["operations"]
    admin.post(reverse(ADD), {**typed, "operations": some})

    assert AccessKey.objects.get().operations == some
    assert "Operator: some operations" in text_of(admin, AccessKey.objects.get())


def test_a_third_key_is_refused_on_the_form(admin: Client, concierge: Agent) -> None:
    for _ in range(2):
        created(concierge)
    identity = concierge.workload_identity.pk
    typed = {"label": "laptop", "kind": "agent", "workload_identity": identity}

    assert errors(admin.post(reverse(ADD), typed)) == ["workload_identity"]
    assert AccessKey.objects.count() == 2


def test_a_rotation_shows_the_new_secret_once_and_says_which_is_the_older(
    admin: Client, concierge: Agent
) -> None:
    old = created(concierge)
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(hours=1))
    assert page_of(old, "rotate") in text_of(admin, old)

    response = admin.post(page_of(old, "rotate"))

    new = AccessKey.objects.exclude(pk=old.pk).get()
    assert response.status_code == 200
    assert "no-store" in response.headers["cache-control"]
    shown = html.unescape(response.content.decode())
    assert new.secret().reveal() in shown
    assert f"{old.access_key_id} stays in use" in shown
    assert "This is the older one." in text_of(admin, old)
    newer = text_of(admin, new)
    assert "This is the newer one." in newer
    assert page_of(old) in newer
    assert new.secret().reveal() not in newer
    assert f"{timezone.now() - timedelta(hours=1):%Y-%m-%d %H:%M}" in newer


def test_what_cannot_be_rotated_is_said_and_nothing_is_made(admin: Client) -> None:
    key = created()
    rotation.access_key_rotate(key=key, actor=ADMIN)

    response = admin.post(page_of(key, "rotate"), follow=True)

    assert "Only a key in use can be rotated" in response.content.decode()
    assert AccessKey.objects.count() == 2


def test_revoking_asks_first_and_is_for_good(admin: Client) -> None:
    key = created()

    asked = admin.get(page_of(key, "revoke")).content.decode()
    assert key.access_key_id in asked
    assert AccessKey.objects.get().enabled

    answer = admin.post(page_of(key, "revoke"))

    assert answer.headers["location"] == page_of(key)
    stored = AccessKey.objects.get()
    assert (stored.enabled, stored.secret_sealed) == (False, None)
    page = text_of(admin, key)
    assert "revoked" in page
    assert page_of(key, "switch") not in page
    response = admin.post(page_of(key, "switch"), {"enabled": "yes"}, follow=True)
    assert "its secret is erased" in response.content.decode()
    assert not AccessKey.objects.get().enabled
    assert recorded()[-1][0] == "admin.access_key.revoked"


def test_a_list_tells_expired_keys_and_when_each_was_last_used(admin: Client) -> None:
    created(expires_at=timezone.now())

    listed = admin.get(reverse("admin:agents_accesskey_changelist")).content.decode()

    assert "expired" in listed
    assert "never" in listed


@pytest.mark.parametrize("name", ["rotate", "revoke"])
def test_whoever_may_only_look_neither_rotates_nor_revokes(looker: Client, name: str) -> None:
    key = created()

    assert page_of(key, name) not in text_of(looker, key)
    assert looker.post(page_of(key, name)).status_code == 403
    assert AccessKey.objects.get().enabled


def test_a_rotation_is_asked_for_by_a_form_alone(admin: Client) -> None:
    key = created()

    assert admin.get(page_of(key, "rotate")).status_code == 405
    assert AccessKey.objects.count() == 1
