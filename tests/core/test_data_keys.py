from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core import aws as clients
from core import crypto, data_keys, wrapping
from core.crypto import Binding, KeyMissing, KeyUnavailable, SealBroken, data_key_of
from core.data_keys import OpenedKeys
from core.models import DataKey, TokenVault
from tests.fixtures.aws import Aws
from tests.fixtures.loopback import QuietHandler, serving

SITE, VAULT = DataKey.Purpose.SITE, DataKey.Purpose.VAULT
HERE = Binding("vault_grant", "7", "access_sealed", "alice", vault=True)

pytestmark = pytest.mark.django_db


@pytest.fixture
def kms_key(aws: Aws, settings: Any) -> str:
    """A key in KMS that wraps what is new, in a database where no token was sealed yet."""
    settings.VAULT_KMS_KEY_ARN = aws.new_key()
    DataKey.objects.filter(purpose=VAULT).delete()
    return str(settings.VAULT_KMS_KEY_ARN)


@pytest.fixture
def in_kms(kms_key: str) -> DataKey:
    row = wrapping.new_data_key(VAULT, kek_id=kms_key)
    row.save(force_insert=True)
    return row


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Says that an opened key was looked at again, whatever came of it."""
    done, look_again = threading.Semaphore(0), OpenedKeys._look_again

    def counted(self: OpenedKeys, key_id: uuid.UUID) -> None:
        try:
            look_again(self, key_id)
        finally:
            done.release()

    monkeypatch.setattr(OpenedKeys, "_look_again", counted)
    return done


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have opened keys looked at again at each use."""
    monkeypatch.setattr(data_keys, "FRESH_S", 0.0)
    monkeypatch.setattr(data_keys, "_PAUSE_S", 0.0)


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody listen where KMS was."""
    with serving(QuietHandler) as url:
        nobody_is_there = url
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", nobody_is_there)
    clients.forget()


def test_a_data_key_wrapped_in_kms_opens_again(in_kms: DataKey) -> None:
    sealed = crypto.seal("at-1", bound_to=HERE)
    crypto.forget_opened_keys()

    assert data_key_of(sealed) == in_kms.pk
    assert crypto.open_sealed(sealed, bound_to=HERE).reveal() == "at-1"


def test_the_ring_and_kms_wrap_side_by_side(in_kms: DataKey, settings: Any) -> None:
    settings.VAULT_KMS_KEY_ARN = ""
    crypto.forget_opened_keys()

    sealed = [
        crypto.seal("x", bound_to=Binding("t", "1", "c", "o", vault=v)) for v in (False, True)
    ]

    keys = [DataKey.objects.get(pk=data_key_of(value)).kek_id for value in sealed]
    assert [wrapping.is_in_kms(kek_id) for kek_id in keys] == [False, True]


def test_the_token_vaults_own_choice_is_for_its_tokens_alone(aws: Aws, kms_key: str) -> None:
    chosen = aws.new_key()
    TokenVault.objects.create(name=TokenVault.DEFAULT, kms_key_arn=chosen)

    assert (wrapping.newest(SITE), wrapping.newest(VAULT)) == (kms_key, chosen)


def test_kms_is_told_what_the_data_key_is_for_and_refuses_it_for_another(
    in_kms: DataKey,
) -> None:
    moved = DataKey(pk=uuid.uuid4(), kek_id=in_kms.kek_id, sealed=in_kms.sealed)

    with pytest.raises(KeyMissing) as caught:
        wrapping.unwrap(moved)

    assert "InvalidCiphertextException" in caught.value.detail


def test_a_data_key_of_another_account_does_not_open(in_kms: DataKey, settings: Any) -> None:
    settings.DAIKO_ACCOUNT_ID = "9" * 12

    with pytest.raises(KeyMissing):
        wrapping.unwrap(in_kms)


@pytest.mark.django_db(transaction=True)
def test_while_kms_is_away_what_is_opened_works_and_nothing_else(
    in_kms: DataKey,
    stale: None,
    looked_at: threading.Semaphore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = OpenedKeys()
    keys.for_opening(in_kms.pk)
    away(monkeypatch)

    keys.for_opening(in_kms.pk)
    assert looked_at.acquire(timeout=30)
    assert keys.can_open(in_kms.pk)
    with pytest.raises(KeyUnavailable) as caught:
        OpenedKeys().for_opening(in_kms.pk)
    assert (caught.value.key, caught.value.status) == (in_kms.kek_id, 503)


def test_an_opened_key_is_not_used_for_longer_than_an_hour(
    in_kms: DataKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = OpenedKeys()
    keys.for_opening(in_kms.pk)
    away(monkeypatch)
    monkeypatch.setattr(data_keys, "KEPT_S", 0.0)

    assert not keys.can_open(in_kms.pk)
    with pytest.raises(KeyUnavailable):
        keys.for_opening(in_kms.pk)


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_gone_is_dropped_at_the_next_look(
    stale: None, looked_at: threading.Semaphore
) -> None:
    DataKey.objects.filter(purpose=VAULT).delete()  # one may have been made apart from a test
    row = wrapping.new_data_key(VAULT, kek_id=wrapping.newest(VAULT))
    row.save(force_insert=True)
    keys = OpenedKeys()
    keys.for_opening(row.pk)
    DataKey.objects.filter(pk=row.pk).delete()

    keys.for_opening(row.pk)

    assert looked_at.acquire(timeout=30)
    with pytest.raises(KeyMissing) as caught:
        keys.for_opening(row.pk)
    assert caught.value.key == str(row.pk)


def test_a_process_seals_under_the_new_key_a_few_seconds_after_it_took_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = OpenedKeys()
    before, _ = keys.for_sealing(SITE)
    DataKey.objects.filter(purpose=SITE).update(retired_at=timezone.now())
    after = wrapping.new_data_key(SITE, kek_id=wrapping.newest(SITE))
    after.save(force_insert=True)

    assert keys.for_sealing(SITE)[0] == before
    monkeypatch.setattr(data_keys, "SEALING_S", 0.0)
    assert keys.for_sealing(SITE)[0] == after.pk


def test_no_two_data_keys_seal_for_one_purpose() -> None:
    DataKey.objects.filter(purpose=SITE).delete()
    wrapping.new_data_key(SITE, kek_id=wrapping.newest(SITE)).save(force_insert=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        wrapping.new_data_key(SITE, kek_id=wrapping.newest(SITE)).save(force_insert=True)


def test_a_wrapped_key_that_was_changed_does_not_open() -> None:
    row = wrapping.new_data_key(SITE, kek_id=wrapping.sites_own())
    row.sealed = bytes(row.sealed[:-1]) + bytes([row.sealed[-1] ^ 1])

    with pytest.raises(SealBroken):
        wrapping.unwrap(row)


def test_whether_it_opens_without_asking_anybody_can_be_known(in_kms: DataKey) -> None:
    sealed = crypto.seal("at-1", bound_to=HERE)

    assert crypto.can_open_without_query(sealed)
    crypto.forget_opened_keys()
    assert not crypto.can_open_without_query(sealed)
    assert crypto.can_open_without_query(b"noise")  # which is refused at once
