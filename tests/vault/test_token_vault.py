"""The token vault's own key, as boto3 asks for it, with KMS beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.db import transaction
from django.utils import timezone

from agents.keys.access_keys import access_key_create
from agents.keys.verification import authenticate
from core import crypto, database, rotation, sealed_columns, wrapping
from core.audit import Actor, AuditUnavailable
from core.models import DataKey, TokenVault, User
from core.wire.app import WireApp
from tests.core.wire.serving import served
from tests.fixtures.aws import Aws
from tests.vault.conftest import ADMIN, Browser, World, events
from tests.vault.webhook_parts import endpoint_at, told
from vault import tasks
from vault.ending import revocations
from vault.models import ConsentSession, EventType, Grant, Outcome, Revocation
from vault.upkeep import losing, token_vault
from vault.wire import token_vault as wire_vault

pytestmark = pytest.mark.django_db(transaction=True)

OWN, SERVICES = "CustomerManagedKey", "ServiceManagedKey"


@pytest.fixture
def api(world: World, settings: Any) -> Iterator[Any]:
    """boto3's client of the control plane, with an operator's key."""
    key, secret = access_key_create(label="test", workload_identity=None, actor=ADMIN)
    connect: Any = boto3.client  # its stubs want the service's name as a literal
    with served(WireApp(wire_vault.OPERATIONS, authenticate=authenticate)) as url:
        yield connect(
            "bedrock-agentcore-control",
            endpoint_url=url,
            region_name=settings.AWS_REGION,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=secret.reveal(),
            config=Config(retries={"total_max_attempts": 1}),
        )


def own(arn: str) -> dict[str, str]:
    return {"keyType": OWN, "kmsKeyArn": arn}


def reset_by() -> str:
    [record] = events("vault.keys.reset")
    return str(record.actor)


def wrapped_by() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"site": set(), "vault": set()}
    for key in DataKey.objects.all():
        found[key.purpose].add(key.kek_id)
    return found


def test_a_vault_has_the_services_own_key_at_first(api: Any) -> None:
    told = api.get_token_vault()

    assert told["tokenVaultId"] == "default"
    assert told["kmsConfiguration"] == {"keyType": SERVICES}
    assert told["lastModifiedDate"].tzinfo is not None


def test_another_vault_does_not_exist(api: Any) -> None:
    with pytest.raises(api.exceptions.ResourceNotFoundException):
        api.get_token_vault(tokenVaultId="other")
    assert list(TokenVault.objects.values_list("pk", flat=True)) == []


def test_a_key_of_the_operators_wraps_the_tokens_keys_and_no_others(
    api: Any, aws: Aws, world: World, alice: User
) -> None:
    grant, arn = world.grant(alice), aws.new_key()

    told = api.set_token_vault_cmk(kmsConfiguration=own(arn))

    assert told["kmsConfiguration"] == api.get_token_vault()["kmsConfiguration"] == own(arn)
    assert wrapped_by() == {"site": {"test"}, "vault": {arn}}
    crypto.forget_opened_keys()
    assert Grant.objects.get().access_token() == grant.access_token()
    [record] = events("vault.keys.chosen")
    assert record.detail == {"key": arn, "rewrapped": 1}


def test_the_key_is_taken_back(api: Any, aws: Aws, world: World, alice: User) -> None:
    grant = world.grant(alice)
    api.set_token_vault_cmk(kmsConfiguration=own(aws.new_key()))

    told = api.set_token_vault_cmk(kmsConfiguration={"keyType": SERVICES})

    assert told["kmsConfiguration"] == {"keyType": SERVICES}
    assert wrapped_by() == {"site": {"test"}, "vault": {"test"}}
    crypto.forget_opened_keys()
    assert Grant.objects.get().access_token() == grant.access_token()


def test_a_key_that_does_not_work_is_refused_and_nothing_is_changed(
    api: Any, aws: Aws, world: World, alice: User
) -> None:
    world.grant(alice)
    nobodys = aws.new_key()[:-4] + "0000"

    with pytest.raises(api.exceptions.ValidationException) as caught:
        api.set_token_vault_cmk(kmsConfiguration=own(nobodys))

    [field] = caught.value.response["fieldList"]
    assert field["name"] == "kmsConfiguration.kmsKeyArn"
    assert "NotFoundException" in field["message"]
    assert wrapped_by()["vault"] == {"test"}
    assert events("vault.keys.chosen") == []


@pytest.mark.parametrize("given", [{"keyType": OWN}, {"keyType": SERVICES, "kmsKeyArn": "ARN"}])
def test_the_arn_is_given_with_ones_own_key_alone(
    given: dict[str, str], api: Any, aws: Aws
) -> None:
    configuration = {k: v.replace("ARN", aws.new_key()) for k, v in given.items()}

    with pytest.raises(api.exceptions.ValidationException, match=r"kmsKeyArn|Give it with"):
        api.set_token_vault_cmk(kmsConfiguration=configuration)


def test_of_two_changes_at_once_one_is_told(aws: Aws, world: World, alice: User) -> None:
    world.grant(alice)
    vault, other = (token_vault.vault_named("default") for _ in range(2))
    first, second = aws.new_key(), aws.new_key()
    token_vault.vault_key_set(vault=vault, kms_key_arn=first, actor=Actor("a"))

    with pytest.raises(token_vault.VaultChanged) as caught:
        token_vault.vault_key_set(vault=other, kms_key_arn=second, actor=Actor("b"))

    assert (caught.value.aws, wrapped_by()["vault"]) == (
        "ConcurrentModificationException",
        {first},
    )


def test_a_data_key_that_appears_meanwhile_is_not_overlooked(
    aws: Aws, world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant(alice)
    rewrapped = wrapping.rewrapped

    def meanwhile(key: DataKey, *, kek_id: str) -> bytes:
        DataKey.objects.filter(purpose="vault").update(retired_at="2026-01-01T00:00:00Z")
        wrapping.new_data_key("vault", kek_id=wrapping.sites_own()).save(force_insert=True)
        return rewrapped(key, kek_id=kek_id)

    monkeypatch.setattr(wrapping, "rewrapped", meanwhile)
    vault = token_vault.vault_named("default")

    with pytest.raises(token_vault.VaultChanged):
        token_vault.vault_key_set(vault=vault, kms_key_arn=aws.new_key(), actor=ADMIN)

    assert TokenVault.objects.get().kms_key_arn == ""
    assert wrapped_by()["vault"] == {"test"}


def test_a_vault_whose_key_still_exists_is_not_reset(
    api: Any, aws: Aws, world: World, alice: User
) -> None:
    world.grant(alice)
    with pytest.raises(api.exceptions.ValidationException, match="no customer managed key"):
        api.reset_token_vault_key_material(tokenVaultId="default")
    arn = aws.new_key()
    api.set_token_vault_cmk(kmsConfiguration=own(arn))
    aws.client("kms").schedule_key_deletion(KeyId=arn.split("/")[1])

    with pytest.raises(api.exceptions.ValidationException, match="still exists"):
        api.reset_token_vault_key_material(tokenVaultId="default")

    assert Grant.objects.get().state == Grant.State.LIVE
    assert events("vault.keys.reset") == []


def test_a_deleted_key_takes_the_tokens_with_it_and_the_site_goes_on(
    api: Any, aws: Aws, world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    arn = aws.new_key()
    api.set_token_vault_cmk(kmsConfiguration=own(arn))
    waiting = world.wait(bob)
    world.consent(waiting, Browser(bob))
    assert ConsentSession.objects.filter(status="exchanged").exists()
    aws.empty()
    crypto.forget_opened_keys()

    told = api.reset_token_vault_key_material(tokenVaultId="default")
    assert Grant.objects.get().state == Grant.State.LIVE  # answered before any row is touched
    with pytest.raises(crypto.KeyMissing):
        Grant.objects.get().access_token()
    tasks.forget_lost_tokens()

    assert told["kmsConfiguration"] == {"keyType": SERVICES}
    ended = Grant.objects.get()
    assert (ended.state, ended.revocation_outcome) == (Grant.State.REVOKED, "unreadable")
    assert ended.revoked_by == reset_by()
    assert ConsentSession.objects.get(user_sub="bob").status == ConsentSession.Status.FAILED
    assert Revocation.objects.count() == 0
    [reset] = events("vault.keys.reset")
    assert reset.detail["lost"] == arn
    [record] = events("vault.grant.revoked")
    assert (record.subject_sub, record.actor) == ("alice", reset_by())
    # The provider, its secret and the operator's own key are there as before.
    assert world.grant(alice).access_token() is not None


def test_the_provider_is_told_of_tokens_that_still_open(
    api: Any, aws: Aws, world: World, alice: User
) -> None:
    world.grant(alice)
    api.set_token_vault_cmk(kmsConfiguration=own(aws.new_key()))
    aws.empty()  # and yet the opened data key is kept for a while

    api.reset_token_vault_key_material(tokenVaultId="default")
    tasks.forget_lost_tokens()

    queued = Revocation.objects.get()
    assert queued.next_attempt_at <= timezone.now()
    crypto.forget_opened_keys()
    assert world.there.knows(queued.access_token().reveal()) == "alice"


@pytest.fixture
def lost(api: Any, aws: Aws, world: World, alice: User, bob: User) -> Iterator[None]:
    """A vault that was reset, with two grants and a revocation under the key that is gone."""
    world.grant(bob)
    api.set_token_vault_cmk(kmsConfiguration=own(aws.new_key()))
    ended = world.grant(alice)
    with transaction.atomic():
        revocations.grant_forget(grant=Grant.objects.get(pk=ended.pk), actor=ADMIN)
    world.grant(alice)
    aws.empty()
    crypto.forget_opened_keys()
    api.reset_token_vault_key_material(tokenVaultId="default")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(losing, "SETTLE", timedelta())
        yield


def test_a_reset_that_was_interrupted_goes_on(lost: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_columns, "BATCH", 1)
    write_off, calls = revocations.grants_write_off, []

    def once(**given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise AuditUnavailable
        write_off(**given)

    with monkeypatch.context() as patched:
        patched.setattr(revocations, "grants_write_off", once)
        with pytest.raises(AuditUnavailable):
            losing.forget_lost(for_s=60)
    half = [grant.state for grant in Grant.objects.exclude(state=Grant.State.REVOKED)]
    assert half == [Grant.State.LIVE]
    assert TokenVault.objects.get().lost_key_arn

    while losing.forget_lost(for_s=60):
        pass

    assert set(Grant.objects.values_list("state", flat=True)) == {Grant.State.REVOKED}
    assert TokenVault.objects.get().lost_key_arn == ""


def test_a_provider_that_was_still_to_be_told_is_told_no_more(lost: None) -> None:
    ended = Grant.objects.get(revocation_outcome=Outcome.PROVIDER_AWAY)
    endpoint_at("http://127.0.0.1:9/", EventType.REVOCATION_SETTLED)

    losing.forget_lost(for_s=60)

    [settled] = told("grant.revocation_settled")
    assert settled["data"]["grant_id"] == str(ended.pk)
    assert settled["data"]["outcome"] == "unreadable"

    assert Revocation.objects.count() == 0
    outcomes = set(Grant.objects.values_list("revocation_outcome", flat=True))
    assert outcomes == {Outcome.UNREADABLE}


def test_what_is_granted_after_a_reset_is_kept_though_keys_are_changed_meanwhile(
    lost: None, world: World, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "SETTLE_S", 0.0)
    kept = world.grant(charlie)
    with rotation.alone():
        rotation.rotate(actor="test", progress=lambda _: None)

    while losing.forget_lost(for_s=60):
        pass

    [live] = Grant.objects.filter(state=Grant.State.LIVE)
    assert live.pk == kept.pk
    assert live.access_token() is not None


def test_of_two_workers_one_forgets_and_the_other_waits_for_nobody(lost: None) -> None:
    with transaction.atomic():
        TokenVault.objects.select_for_update().get()
        assert database.apart(lambda: losing.forget_lost(for_s=60)) == 0

    assert Grant.objects.filter(state=Grant.State.LIVE).count() == 2


def test_a_reset_stays_open_while_a_process_may_store_what_the_lost_key_sealed(
    lost: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losing, "SETTLE", timedelta(minutes=1))

    while losing.forget_lost(for_s=60):
        pass

    assert TokenVault.objects.get().lost_key_arn


def test_an_agents_key_learns_and_changes_nothing(world: World, settings: Any, aws: Aws) -> None:
    key, secret = access_key_create(label="a", workload_identity=world.identity, actor=ADMIN)
    connect: Any = boto3.client
    with served(WireApp(wire_vault.OPERATIONS, authenticate=authenticate)) as url:
        client = connect(
            "bedrock-agentcore-control",
            endpoint_url=url,
            region_name=settings.AWS_REGION,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=secret.reveal(),
        )
        for ask in (
            client.get_token_vault,
            lambda: client.set_token_vault_cmk(kmsConfiguration=own(aws.new_key())),
            lambda: client.reset_token_vault_key_material(tokenVaultId="default"),
        ):
            with pytest.raises(client.exceptions.AccessDeniedException):
                ask()
    assert not TokenVault.objects.exists()
