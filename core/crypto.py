"""Sealing: AES-256-GCM under data keys, which the key ring wraps (envelope encryption).

A sealed value is `version (1) | data key id (16) | nonce (12) | ciphertext and tag`. Its associated
data names table, row, column and owner, so a ciphertext that is moved anywhere else does not open.
"""

from __future__ import annotations

import os
import threading
import uuid
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core import database, keyring
from core.errors import Internal
from core.models.keys import DataKey
from core.secret import Secret

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + 16 + _NONCE_BYTES


class SealBroken(Internal):
    """The value was not sealed for this place, or was changed since."""

    code = "seal_broken"


class KeyMissing(Internal):
    """The key that would open the value is not in the ring; the value itself is left alone."""

    code = "key_missing"


class NotText(Internal):
    """What was to be sealed is not Unicode text."""

    code = "seal_not_text"


@dataclass(frozen=True, slots=True)
class Binding:
    """The one place at which a sealed value opens."""

    table: str
    row: str
    column: str
    owner: str

    def associated_data(self) -> bytes:
        """Return the four names, each with its length, so that no two places give one string."""
        parts = (self.table, self.row, self.column, self.owner)
        return b"daiko.seal.v1" + b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
        )


class _OpenedKeys:
    """This process's opened data keys. They are few; each costs one query and one unwrapping."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[uuid.UUID, AESGCM] = {}
        self._sealing: dict[str, uuid.UUID] = {}

    def for_sealing(self) -> tuple[uuid.UUID, AESGCM]:
        """Return the data key that the ring's newest key wraps, made if there is none."""
        ring = keyring.current()
        with self._lock:
            key_id = self._sealing.get(ring.newest_id)
            if key_id is not None:
                return key_id, self._by_id[key_id]
        row = DataKey.objects.filter(kek_id=ring.newest_id).order_by("created_at").first()
        if row is None:
            # Apart from the caller's transaction: were it rolled back, this process would go on
            # sealing under a key that is nowhere stored.
            row = database.apart(lambda: _new_data_key(ring))
        opened = self._remember(row, ring)
        with self._lock:
            self._sealing[ring.newest_id] = row.pk
        return row.pk, opened

    def for_opening(self, key_id: uuid.UUID) -> AESGCM:
        """Return the data key `key_id`. Raises KeyMissing."""
        with self._lock:
            opened = self._by_id.get(key_id)
        if opened is not None:
            return opened
        row = DataKey.objects.filter(pk=key_id).first()
        if row is None:
            raise KeyMissing(detail=f"data key {key_id} is not in the database")
        return self._remember(row, keyring.current())

    def can_seal(self) -> bool:
        """Say whether sealing needs no query now."""
        with self._lock:
            return keyring.current().newest_id in self._sealing

    def forget(self) -> None:
        """Drop what is cached; the next use reads the database again."""
        with self._lock:
            self._by_id.clear()
            self._sealing.clear()

    def _remember(self, row: DataKey, ring: keyring.KeyRing) -> AESGCM:
        wrapping = ring.keys.get(row.kek_id)
        if wrapping is None:
            raise KeyMissing(detail=f"VAULT_KEYS has no key {row.kek_id!r}")
        sealed = bytes(row.sealed)
        try:
            key = wrapping.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _wrap_aad(row.pk))
        except InvalidTag:
            raise SealBroken(
                detail=f"data key {row.pk} does not open with {row.kek_id!r}"
            ) from None
        opened = AESGCM(key)
        with self._lock:
            self._by_id[row.pk] = opened
        return opened


def _wrap_aad(key_id: uuid.UUID) -> bytes:
    return b"daiko.data-key.v1" + key_id.bytes


def _new_data_key(ring: keyring.KeyRing) -> DataKey:
    key_id, nonce = uuid.uuid4(), os.urandom(_NONCE_BYTES)
    wrapped = ring.keys[ring.newest_id].encrypt(nonce, AESGCM.generate_key(256), _wrap_aad(key_id))
    return DataKey.objects.create(pk=key_id, kek_id=ring.newest_id, sealed=nonce + wrapped)


_opened = _OpenedKeys()


def seal(plaintext: Secret | str, *, bound_to: Binding) -> bytes:
    """Return `plaintext` sealed so that it opens at `bound_to` alone. May query once a process.

    Raises:
        KeyMissing: the key that wraps the data key is not in the ring; named in `detail`.
        NotText: it holds half of a surrogate pair, as a lax JSON document may.
    """
    text = plaintext.reveal() if isinstance(plaintext, Secret) else plaintext
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        raise NotText from None  # the error holds the text
    key_id, key = _opened.for_sealing()
    nonce = os.urandom(_NONCE_BYTES)
    head = _VERSION + key_id.bytes + nonce
    return head + key.encrypt(nonce, octets, bound_to.associated_data())


def open_sealed(sealed: bytes | memoryview, *, bound_to: Binding) -> Secret:
    """Return what `seal` was given for `bound_to`.

    Raises:
        KeyMissing: its data key, or the key that wraps that one, is not there; named in `detail`.
        SealBroken: any bit differs, or the value belongs to another place.
    """
    raw = bytes(sealed)
    if len(raw) < _HEAD_BYTES or raw[:1] != _VERSION:
        raise SealBroken(detail=f"not a sealed value at {bound_to.table}.{bound_to.column}")
    key = _opened.for_opening(uuid.UUID(bytes=raw[1:17]))
    try:
        text = key.decrypt(raw[17:_HEAD_BYTES], raw[_HEAD_BYTES:], bound_to.associated_data())
    except InvalidTag:
        detail = f"{bound_to.table}.{bound_to.column} of {bound_to.row} does not open"
        raise SealBroken(detail=detail) from None
    return Secret(text.decode())


def can_seal_without_query() -> bool:
    """Say whether `seal` will not touch the database now, so that an event loop may call it."""
    return _opened.can_seal()


def forget_opened_keys() -> None:
    """Drop the opened data keys of this process, as after the database was replaced."""
    _opened.forget()
