"""Acme: the copy of an answer that only its own refresh token opens."""

from __future__ import annotations

import uuid

import pytest
from cryptography.exceptions import InvalidTag

from demo.acme.sealing import open_answer, seal_answer

ANSWER = {"access_token": "at-1", "refresh_token": "rt-2", "expires_at": 1}
FAMILY = uuid.UUID("7d9c0a4e-4bb4-4d0c-9c53-3a2f5c0f3f10")


def test_the_token_it_was_sealed_under_opens_it() -> None:
    sealed = seal_answer(ANSWER, under="rt-1", family=FAMILY)

    assert open_answer(sealed, under="rt-1", family=FAMILY) == ANSWER
    assert b"rt-2" not in sealed


def test_neither_another_token_nor_another_family_opens_it() -> None:
    sealed = seal_answer(ANSWER, under="rt-1", family=FAMILY)

    for token, family in (("rt-2", FAMILY), ("rt-1", uuid.uuid4())):
        with pytest.raises(InvalidTag):
            open_answer(sealed, under=token, family=family)


def test_a_changed_byte_is_noticed() -> None:
    sealed = bytearray(seal_answer(ANSWER, under="rt-1", family=FAMILY))
    sealed[-1] ^= 1

    with pytest.raises(InvalidTag):
        open_answer(bytes(sealed), under="rt-1", family=FAMILY)
