"""Sealing: AES-256-GCM under data keys, which are wrapped themselves (envelope encryption).

A sealed value is `version (1) | data key id (16) | nonce (12) | ciphertext and tag`. Its associated
data names table, row, column and owner, so a ciphertext that is moved anywhere else does not open.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from core import data_keys
from core.errors import Internal
from core.key_errors import KeyMissing, KeyUnavailable, SealBroken
from core.models.keys import DataKey
from core.secret import Secret

__all__ = [
    "Binding",
    "KeyMissing",
    "KeyUnavailable",
    "NotText",
    "SealBroken",
    "can_open_without_query",
    "data_key_of",
    "forget_opened_keys",
    "open_sealed",
    "seal",
]

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + 16 + _NONCE_BYTES


class NotText(Internal):
    """What was to be sealed is not Unicode text."""

    code = "seal_not_text"


@dataclass(frozen=True, slots=True)
class Binding:
    """The one place at which a sealed value opens.

    `vault` says that it is a token of a third party, whose data keys are wrapped as the token vault
    asks, and not the site's own secret. It decides under what is sealed, and not what opens.
    """

    table: str
    row: str
    column: str
    owner: str
    vault: bool = False

    @property
    def purpose(self) -> str:
        """Return for what the data key is that seals here."""
        return DataKey.Purpose.VAULT if self.vault else DataKey.Purpose.SITE

    def associated_data(self) -> bytes:
        """Return the four names, each with its length, so that no two places give one string."""
        parts = (self.table, self.row, self.column, self.owner)
        return b"daiko.seal.v1" + b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
        )


def seal(plaintext: Secret | str, *, bound_to: Binding) -> bytes:
    """Return `plaintext` sealed so that it opens at `bound_to` alone. May query, and ask KMS.

    Raises:
        KeyMissing: the key that wraps the data key is not there; named in `detail`.
        KeyUnavailable: it is in KMS, which does not answer now.
        NotText: it holds half of a surrogate pair, as a lax JSON document may.
    """
    text = plaintext.reveal() if isinstance(plaintext, Secret) else plaintext
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        raise NotText from None  # the error holds the text
    key_id, key = data_keys.opened.for_sealing(bound_to.purpose)
    nonce = os.urandom(_NONCE_BYTES)
    head = _VERSION + key_id.bytes + nonce
    return head + key.encrypt(nonce, octets, bound_to.associated_data())


def open_sealed(sealed: bytes | memoryview, *, bound_to: Binding) -> Secret:
    """Return what `seal` was given for `bound_to`.

    Raises:
        KeyMissing: its data key, or the key that wraps that one, is not there; named in `detail`.
        KeyUnavailable: that key is in KMS, which does not answer now.
        SealBroken: any bit differs, or the value belongs to another place.
    """
    raw = bytes(sealed)
    try:
        key_id = data_key_of(raw)
    except ValueError:
        at = f"{bound_to.table}.{bound_to.column} of {bound_to.row}"
        raise SealBroken(detail=f"not a sealed value at {at}") from None
    key = data_keys.opened.for_opening(key_id)
    try:
        text = key.decrypt(raw[17:_HEAD_BYTES], raw[_HEAD_BYTES:], bound_to.associated_data())
    except InvalidTag:
        detail = f"{bound_to.table}.{bound_to.column} of {bound_to.row} does not open"
        raise SealBroken(detail=detail) from None
    return Secret(text.decode())


def data_key_of(sealed: bytes | memoryview) -> uuid.UUID:
    """Return the id of the data key that sealed a value. Raises ValueError where it is none."""
    raw = bytes(sealed)
    if len(raw) < _HEAD_BYTES or raw[:1] != _VERSION:
        raise ValueError("not a sealed value")
    return uuid.UUID(bytes=raw[1:17])


def can_open_without_query(sealed: bytes | memoryview) -> bool:
    """Say whether `open_sealed` asks nobody now, so that an event loop may call it."""
    try:
        return data_keys.opened.can_open(data_key_of(sealed))
    except ValueError:
        return True


def forget_opened_keys() -> None:
    """Drop the opened data keys of this process, as after the database was replaced."""
    data_keys.opened.forget()
