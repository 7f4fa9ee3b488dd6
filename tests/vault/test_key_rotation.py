"""Keys that change while the site works, and a rotation that is killed half-way."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from agents import workload
from agents.models import WorkloadIdentity
from core import crypto, rotation, sealed_columns
from core.crypto import data_key_of
from core.fenced import Change
from core.models import DataKey, User
from core.secret import Secret
from portal.sessions import SessionStore
from tests.fixtures.aws import Aws
from tests.vault import rotation_load
from tests.vault.conftest import events, token_of
from tests.vault.rotation_load import tokens_of
from tests.vault.workers import Start, go, said
from vault import tasks
from vault.models import CredentialProvider, Grant

pytestmark = pytest.mark.django_db(transaction=True)

NEW_KEY = base64.b64encode(b"n" * 32).decode()
COUNT = 400


@pytest.fixture
def make_grants(concierge: WorkloadIdentity, acme: CredentialProvider) -> Callable[[int], None]:
    """Store grants of so many people, each with tokens that say whose they are."""

    def make(count: int) -> None:
        now = timezone.now()
        grants = [
            Grant(
                workload_identity=concierge,
                provider=acme,
                user_iss="https://idp.example",
                user_sub=f"person-{number}",
                granted_at=now,
            )
            for number in range(count)
        ]
        for grant in grants:
            for column, value in grant.columns_of(tokens_of(grant)).items():
                setattr(grant, column, value)
        Grant.objects.bulk_create(grants)

    return make


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no other process, where there is none."""
    monkeypatch.setattr(rotation, "SETTLE_S", 0.0)


def rotate(*options: str) -> str:
    out = StringIO()
    call_command("rotate_vault_keys", *options, stdout=out, stderr=StringIO())
    crypto.forget_opened_keys()
    return out.getvalue()


def retire_long_ago() -> None:
    DataKey.objects.exclude(retired_at=None).update(
        retired_at=timezone.now() - rotation.RETIRED_FOR - timedelta(minutes=1)
    )


@pytest.fixture
def meanwhile() -> Iterator[Callable[[], None]]:
    """Have somebody else change keys until the test ends, on a connection of their own."""
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with rotation.alone():
                began.set()
                over.wait()
        finally:
            connections.close_all()

    def begin_it() -> None:
        thread.submit(hold)
        assert began.wait(30)

    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            yield begin_it
        finally:
            over.set()


def access_of(grant: Grant) -> bytes:
    assert grant.access_sealed is not None
    return bytes(grant.access_sealed)


def test_under_load_no_read_fails_though_the_rotation_is_killed_half_way(
    make_grants: Callable[[int], None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_grants(COUNT)
    killed = start("rotation_stopped")
    load = [start("rotation_load") for _ in range(2)]
    assert [said(process) for process in load] == ["ready"] * 2

    go(killed)
    assert said(killed) == "stopped"
    killed.kill()
    killed.wait()
    keys = {key.pk: key for key in DataKey.objects.filter(purpose="vault")}
    [new] = [pk for pk, key in keys.items() if key.retired_at is None]
    half = {data_key_of(access_of(row)) for row in Grant.objects.all()}
    assert half == set(keys)
    # The others look each second which key seals, and store at once what they sealed.
    monkeypatch.setattr(rotation, "SETTLE_S", rotation_load.SEALING_S + 2.0)

    told = rotate()

    assert "values sealed anew" in told
    assert set(DataKey.objects.filter(purpose="vault").values_list("pk", flat=True)) == set(keys)
    for process in load:
        answer, _ = process.communicate()
        done = json.loads(answer)
        assert set(done) == {"reads", "refreshes"}, done
    in_rows = {
        data_key_of(sealed)
        for row in Grant.objects.all()
        for sealed in (access_of(row), row.refresh_sealed or b"")
    }
    assert in_rows == {new}


def test_a_new_key_in_front_wraps_all_data_keys_and_the_old_one_may_go(
    make_grants: Callable[[int], None], at_once: None, settings: Any
) -> None:
    make_grants(2)
    settings.VAULT_KEYS = f"newest:{NEW_KEY},{site.VAULT_KEYS}"

    told = rotate()
    settings.VAULT_KEYS = f"newest:{NEW_KEY}"

    assert set(DataKey.objects.values_list("kek_id", flat=True)) == {"newest"}
    assert told.startswith("2 data keys wrapped anew, ")
    for grant in Grant.objects.all():
        assert grant.access_token() == Secret(f"at-{grant.pk}")
    [record] = events("vault.keys.rotated")
    assert (record.outcome, record.detail["rewrapped"]) == ("allowed", 2)


def test_data_keys_move_into_kms_and_out_of_it(
    make_grants: Callable[[int], None], at_once: None, aws: Aws, settings: Any
) -> None:
    make_grants(1)
    settings.VAULT_KMS_KEY_ARN = aws.new_key()
    rotate()
    inside = set(DataKey.objects.values_list("kek_id", flat=True))
    settings.VAULT_KMS_KEY_ARN = ""
    rotate()

    assert inside == {next(iter(inside))}
    assert next(iter(inside)).startswith("arn:aws:kms:")
    assert set(DataKey.objects.values_list("kek_id", flat=True)) == {"test"}
    assert Grant.objects.get().access_token() is not None


def test_every_secret_of_every_table_is_sealed_under_the_new_keys(
    make_grants: Callable[[int], None], at_once: None, alice: User
) -> None:
    make_grants(1)
    session = SessionStore()
    session["nonce"] = "n-1"
    session.save()
    before = sealed_columns.data_keys_in_use()

    rotate()

    assert before.isdisjoint(sealed_columns.data_keys_in_use())
    assert SessionStore(session.session_key)["nonce"] == "n-1"
    assert CredentialProvider.objects.get().client().secret is not None


def test_a_retired_data_key_is_destroyed_once_nothing_can_need_it(
    make_grants: Callable[[int], None], at_once: None
) -> None:
    make_grants(1)
    rotate()
    old = set(DataKey.objects.exclude(retired_at=None).values_list("pk", flat=True))
    retire_long_ago()

    told = rotate()

    assert old.isdisjoint(DataKey.objects.values_list("pk", flat=True))
    assert f"{len(old)} data keys destroyed; a worker destroys the old after" in told
    destroyed = {event.detail["data_key"] for event in events("vault.keys.data_key_destroyed")}
    assert destroyed == {str(key_id) for key_id in old}


def test_a_data_key_that_a_row_still_names_is_never_destroyed(
    make_grants: Callable[[int], None], at_once: None
) -> None:
    make_grants(1)
    sealed = access_of(Grant.objects.get())
    rotate()
    retire_long_ago()
    Grant.objects.update(access_sealed=sealed)  # somebody stored what they had sealed long before

    assert rotation.destroy_unused(actor="test") == 1  # the site's own

    assert DataKey.objects.filter(pk=data_key_of(sealed)).exists()
    assert Grant.objects.get().access_token() is not None


def test_a_worker_destroys_retired_data_keys_and_puts_it_on_record(
    make_grants: Callable[[int], None], at_once: None
) -> None:
    make_grants(1)
    rotate()
    old = set(DataKey.objects.exclude(retired_at=None).values_list("pk", flat=True))

    tasks.destroy_unused_data_keys()
    too_early = set(DataKey.objects.exclude(retired_at=None).values_list("pk", flat=True))
    retire_long_ago()
    tasks.destroy_unused_data_keys()

    assert too_early == old
    assert not DataKey.objects.filter(pk__in=old).exists()
    told = events("vault.keys.data_key_destroyed")
    assert {event.detail["data_key"] for event in told} == {str(key_id) for key_id in old}
    assert Grant.objects.get().access_token() is not None


def test_nothing_is_destroyed_while_keys_are_changed(
    make_grants: Callable[[int], None], at_once: None, meanwhile: Callable[[], None]
) -> None:
    make_grants(1)
    rotate()
    retire_long_ago()
    before = DataKey.objects.count()
    meanwhile()

    assert rotation.destroy_unused(actor="test") == 0

    assert DataKey.objects.count() == before


def test_workload_access_tokens_outlive_a_rotation(
    concierge: WorkloadIdentity, alice: User, at_once: None
) -> None:
    token = token_of(concierge, alice)

    rotate()

    assert workload.read(token.reveal()).subject == alice.subject


def test_what_does_not_open_is_left_as_it_is_counted_and_ends_with_status_1(
    make_grants: Callable[[int], None], at_once: None
) -> None:
    make_grants(3)
    lost, swapped, whole = Grant.objects.order_by("pk")
    missing = b"\x01" + b"m" * 60
    Grant.objects.filter(pk=lost.pk).update(access_sealed=missing)
    Grant.objects.filter(pk=swapped.pk).update(access_sealed=access_of(whole))
    Session.objects.create(session_key="x" * 40, session_data="plain", expire_date=timezone.now())

    with pytest.raises(CommandError) as caught:
        rotate()

    assert caught.value.returncode == 1
    assert "broken seals (2 values)" in str(caught.value)
    assert "6d6d6d6d-6d6d-6d6d-6d6d-6d6d6d6d6d6d (1 values)" in str(caught.value)
    assert access_of(Grant.objects.get(pk=lost.pk)) == missing
    crypto.forget_opened_keys()
    assert Grant.objects.get(pk=whole.pk).access_token() == Secret(f"at-{whole.pk}")
    [record] = events("vault.keys.rotated")
    assert (record.outcome, record.reason) == ("failed", "key_missing")


def test_with_the_ring_lost_the_site_can_seal_again_after_a_rotation(
    make_grants: Callable[[int], None], at_once: None, settings: Any
) -> None:
    make_grants(1)
    crypto.forget_opened_keys()
    settings.VAULT_KEYS = f"other:{NEW_KEY}"
    with pytest.raises(crypto.KeyMissing):
        make_grants(0)
        Grant.objects.get().columns_of(tokens_of(Grant.objects.get()))

    with pytest.raises(CommandError, match="test"):
        rotate()

    crypto.forget_opened_keys()
    grant = Grant.objects.get()
    Grant.objects.update(**grant.columns_of(tokens_of(grant)))
    assert Grant.objects.get().access_token() == Secret(f"at-{grant.pk}")


def test_a_row_that_is_stored_meanwhile_keeps_what_was_stored(
    make_grants: Callable[[int], None],
) -> None:
    make_grants(1)
    grant = Grant.objects.get()
    table = sealed_columns.table_of(Grant)
    change = {"access_sealed": b"sealed anew"}

    replaced = table.replace([Change(grant.pk, {"access_sealed": b"was read before"}, change)])

    assert replaced == set()
    assert Grant.objects.get().access_sealed == grant.access_sealed


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    make_grants: Callable[[int], None], settings: Any
) -> None:
    make_grants(2)
    before = list(DataKey.objects.order_by("pk").values())
    settings.VAULT_KEYS = f"newest:{NEW_KEY},{site.VAULT_KEYS}"

    told = rotate("--dry-run")

    assert "2 data keys to wrap anew" in told
    assert "2 values to seal anew in vault_grant.access_sealed" in told
    assert list(DataKey.objects.order_by("pk").values()) == before
    assert events("vault.keys.data_key_made") == []


def test_of_two_rotations_at_once_the_second_is_refused(
    make_grants: Callable[[int], None], meanwhile: Callable[[], None]
) -> None:
    make_grants(1)
    before = list(DataKey.objects.order_by("pk").values())
    meanwhile()

    with pytest.raises(CommandError) as caught:
        rotate()

    assert caught.value.returncode == 2
    assert list(DataKey.objects.order_by("pk").values()) == before


def test_while_kms_is_away_the_command_says_so_and_nothing_is_lost(
    make_grants: Callable[[int], None], at_once: None, settings: Any
) -> None:
    make_grants(1)
    settings.VAULT_KMS_KEY_ARN = f"arn:aws:kms:us-east-1:{'1' * 12}:key/{'0' * 36}"
    settings.AWS_REGION = "us-east-1"
    environment = {"AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with pytest.raises(CommandError) as caught:
            rotate()

    assert caught.value.returncode == 3
    assert Grant.objects.get().access_token() is not None
    assert connection.in_atomic_block is False
