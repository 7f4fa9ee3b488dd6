"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from core.models import User
from core.secret import Secret
from tests.vault.conftest import World
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.models.providers import as_client_auth

pytestmark = pytest.mark.django_db


def refused(model: Any, **changed: Any) -> str:
    """Return what the database says to a change that it must refuse."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        model.objects.update(**changed)
    return str(caught.value)


def test_a_revoked_grant_holds_no_secret(world: World, alice: User) -> None:
    world.grant(alice)

    assert "vault_grant_revoked_holds_no_secret" in refused(Grant, state="revoked")


def test_a_live_grant_holds_a_token(world: World, alice: User) -> None:
    world.grant(alice)

    assert "vault_a_live_grant_holds_a_token" in refused(Grant, access_sealed=None)


def test_there_is_one_live_grant_for_each_agent_person_and_provider(
    world: World, alice: User
) -> None:
    first = world.grant(alice)

    with pytest.raises(IntegrityError, match="vault_one_live_grant_per_workload_person_prov"):
        Grant.objects.bulk_create(
            [
                Grant(
                    workload_identity=first.workload_identity,
                    provider=first.provider,
                    user_iss=first.user_iss,
                    user_sub=first.user_sub,
                    access_sealed=b"x",
                    granted_at=timezone.now(),
                )
            ]
        )


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"access_sealed": b"x"}, "vault_only_an_exchanged_consent_holds_tokens"),
        ({"verifier_sealed": b"x"}, "vault_only_a_consent_under_way_holds_a_verifier"),
        ({"status": "exchanged"}, "vault_an_exchanged_consent_holds_a_token"),
        ({"status": "denied"}, "vault_a_consent_that_ended_says_when_and_forgets"),
        (
            {"ended_at": "2020-01-01T00:00:00Z"},
            "vault_a_consent_that_ended_says_when_and_forgets",
        ),
        (
            {"status": "denied", "ended_at": "2020-01-01T00:00:00Z", "custom_state_sealed": b"x"},
            "vault_a_consent_that_ended_says_when_and_forgets",
        ),
    ],
)
def test_a_consent_session_keeps_nothing_longer_than_it_is_needed(
    changed: dict[str, Any], rule: str, world: World, alice: User
) -> None:
    world.wait(alice)

    assert rule in refused(ConsentSession, **changed)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"issuer": "https://x"}, "vault_a_provider_has_metadata_or_endpoints"),
        ({"discovery_url": ""}, "vault_a_provider_has_metadata_or_endpoints"),
        ({"secret_sealed": None}, "vault_a_provider_has_a_secret_unless_public"),
        ({"client_auth": "none"}, "vault_a_provider_has_a_secret_unless_public"),
    ],
)
def test_a_provider_is_whole(changed: dict[str, Any], rule: str, world: World) -> None:
    assert rule in refused(CredentialProvider, **changed)


def test_what_people_granted_protects_provider_and_workload_identity(
    world: World, alice: User
) -> None:
    world.grant(alice)

    with pytest.raises(ProtectedError):
        world.provider.delete()
    world.identity.agent.delete()
    with pytest.raises(ProtectedError):
        world.identity.delete()


def test_an_unknown_way_of_authenticating_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="jwt"):
        as_client_auth("jwt")


def test_a_grant_without_a_token_is_not_fresh() -> None:
    assert not Grant().is_fresh(at=timezone.now(), leeway_s=0.0)


def test_rows_print_nothing_secret(world: World, alice: User) -> None:
    waiting = world.wait(alice, custom_state=Secret("hidden"))
    session = world.session(waiting)
    grant = world.grant(alice)

    assert str(grant) == str(grant.pk)
    assert str(session) == str(session.pk)
    assert str(world.provider) == "Acme Calendar"
    assert "hidden" not in repr(waiting) + repr(session)


def test_a_session_is_open_for_its_time_only(world: World, alice: User) -> None:
    session = world.session(world.wait(alice))

    assert session.is_open(at=session.expires_at - timedelta(seconds=1))
    assert not session.is_open(at=session.expires_at)
