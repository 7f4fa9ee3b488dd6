import base64
import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as site
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import crypto
from core.crypto import (
    Binding,
    KeyMissing,
    NotText,
    SealBroken,
    data_key_of,
    open_sealed,
    seal,
)
from core.models import DataKey
from core.secret import Secret
from tests.connections import database_url
from tests.engines import CHECKOUT

HERE = Binding("vault_grant", "7", "access_sealed", "alice")
VALUE = "at-5f0c1b"
NEW_KEY = base64.b64encode(b"n" * 32).decode()

pytestmark = pytest.mark.django_db


def test_what_was_sealed_for_a_place_opens_there() -> None:
    opened = open_sealed(seal(Secret(VALUE), bound_to=HERE), bound_to=HERE)

    assert opened.reveal() == VALUE


def test_a_row_of_the_database_opens_too_which_comes_as_a_memoryview() -> None:
    assert open_sealed(memoryview(seal(VALUE, bound_to=HERE)), bound_to=HERE) == Secret(VALUE)


def test_the_value_does_not_stand_in_what_is_stored_and_no_two_are_alike() -> None:
    first, second = (seal(VALUE, bound_to=HERE) for _ in range(2))

    assert VALUE.encode() not in first
    assert first != second


@pytest.mark.parametrize("part", ["table", "row", "column", "owner"])
def test_a_ciphertext_moved_elsewhere_does_not_open(part: str) -> None:
    sealed = seal(VALUE, bound_to=HERE)
    moved: dict[str, Any] = {part: "another"}

    with pytest.raises(SealBroken):
        open_sealed(sealed, bound_to=replace(HERE, **moved))


@given(
    st.lists(st.text(max_size=8), min_size=4, max_size=4),
    st.lists(st.text(max_size=8), min_size=4, max_size=4),
)
def test_no_two_places_are_bound_alike(one: list[str], other: list[str]) -> None:
    bound = [
        Binding(table, row, column, owner).associated_data()
        for table, row, column, owner in (one, other)
    ]

    assert (bound[0] == bound[1]) is (one == other)


def test_no_byte_of_a_sealed_value_can_be_changed() -> None:
    sealed = seal(VALUE, bound_to=HERE)

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        # A changed key id names a data key that is not there.
        with pytest.raises((SealBroken, KeyMissing)):
            open_sealed(bytes(changed), bound_to=HERE)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=80))
def test_noise_does_not_open(noise: bytes) -> None:
    with pytest.raises((SealBroken, KeyMissing)):
        open_sealed(noise, bound_to=HERE)


def test_a_sealed_value_cut_short_does_not_open() -> None:
    sealed = seal(VALUE, bound_to=HERE)

    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_sealed(sealed[:length], bound_to=HERE)


def test_half_of_a_surrogate_pair_is_refused_without_being_repeated() -> None:
    with pytest.raises(NotText) as caught:
        seal(Secret("at-\ud800"), bound_to=HERE)

    assert caught.value.__cause__ is None
    assert "at-" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_a_data_key_that_is_gone_is_named_and_the_value_is_left_alone() -> None:
    sealed = seal(VALUE, bound_to=HERE)
    key_id = uuid.UUID(bytes=sealed[1:17])
    DataKey.objects.all().delete()
    crypto.forget_opened_keys()

    with pytest.raises(KeyMissing) as caught:
        open_sealed(sealed, bound_to=HERE)

    assert str(key_id) in caught.value.detail


def test_a_ring_without_the_wrapping_key_names_it(settings: Any) -> None:
    sealed = seal(VALUE, bound_to=HERE)
    wrapped_by = DataKey.objects.get(pk=uuid.UUID(bytes=sealed[1:17])).kek_id
    crypto.forget_opened_keys()
    settings.VAULT_KEYS = f"other:{NEW_KEY}"

    with pytest.raises(KeyMissing) as caught:
        open_sealed(sealed, bound_to=HERE)

    assert caught.value.key == wrapped_by
    assert DataKey.objects.filter(kek_id=wrapped_by).exists()


def test_another_key_under_the_same_id_does_not_open_and_says_which(settings: Any) -> None:
    sealed = seal(VALUE, bound_to=HERE)
    wrapped_by = DataKey.objects.get(pk=uuid.UUID(bytes=sealed[1:17])).kek_id
    crypto.forget_opened_keys()
    settings.VAULT_KEYS = f"{wrapped_by}:{NEW_KEY}"

    with pytest.raises(SealBroken) as caught:
        open_sealed(sealed, bound_to=HERE)

    assert repr(wrapped_by) in caught.value.detail


def test_a_new_key_in_front_changes_nothing_before_the_keys_are_rotated(settings: Any) -> None:
    old = seal(VALUE, bound_to=HERE)
    settings.VAULT_KEYS = f"newest:{NEW_KEY},{site.VAULT_KEYS}"
    crypto.forget_opened_keys()

    new = seal(VALUE, bound_to=HERE)

    assert new[1:17] == old[1:17]
    assert open_sealed(old, bound_to=HERE) == open_sealed(new, bound_to=HERE) == Secret(VALUE)


def test_tokens_of_the_vault_are_sealed_under_a_data_key_of_their_own() -> None:
    token = seal(VALUE, bound_to=replace(HERE, vault=True))

    assert data_key_of(token) != data_key_of(seal(VALUE, bound_to=HERE))
    assert DataKey.objects.get(pk=data_key_of(token)).purpose == DataKey.Purpose.VAULT
    assert open_sealed(token, bound_to=HERE) == Secret(VALUE)


def test_sealing_needs_no_query_once_the_key_is_there(
    django_assert_num_queries: Any,
) -> None:
    sealed = seal(VALUE, bound_to=HERE)

    with django_assert_num_queries(0):
        seal(VALUE, bound_to=HERE)
        open_sealed(sealed, bound_to=HERE)


@pytest.mark.django_db(transaction=True)
def test_the_data_key_outlives_a_transaction_that_is_rolled_back() -> None:
    # Otherwise this process would go on sealing with a key that is nowhere stored.
    DataKey.objects.all().delete()
    with transaction.atomic():
        sealed = seal(VALUE, bound_to=HERE)
        transaction.set_rollback(True)
    crypto.forget_opened_keys()

    assert open_sealed(sealed, bound_to=HERE) == Secret(VALUE)


def test_the_wrapped_key_opens_under_its_own_id_only() -> None:
    seal(VALUE, bound_to=HERE)
    row = DataKey.objects.order_by("created_at").first()
    assert row is not None
    stolen = DataKey.objects.create(
        kek_id=row.kek_id, sealed=bytes(row.sealed), retired_at=timezone.now()
    )
    sealed = seal(VALUE, bound_to=HERE)
    crypto.forget_opened_keys()

    with pytest.raises(SealBroken):
        open_sealed(sealed[:1] + stolen.pk.bytes + sealed[17:], bound_to=HERE)


SEALER = """
import json, sys
import django
django.setup()
from core.crypto import Binding, seal, open_sealed
HERE = Binding("t", "1", "c", "o")
print("ready", flush=True)
sys.stdin.readline()
print(seal("from a process", bound_to=HERE).hex(), flush=True)
for line in sys.stdin:
    opened = open_sealed(bytes.fromhex(line.strip()), bound_to=HERE)
    print(json.dumps(opened.reveal()), flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_processes_that_begin_at_once_open_what_each_other_sealed() -> None:
    DataKey.objects.all().delete()
    env = os.environ | {"DATABASE_URL": database_url()}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SEALER],
            cwd=CHECKOUT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        sealed = [_line(child) for child in children]
        for child in children:
            for value in sealed:
                assert child.stdin is not None
                child.stdin.write(value + "\n")
                child.stdin.flush()
                assert json.loads(_line(child)) == "from a process"
    finally:
        for child in children:
            child.communicate()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()
