"""What wraps data keys: a key of the ring, or one in AWS KMS. Each data key says which.

The site's own data keys are wrapped by the key in `VAULT_KMS_KEY_ARN`, and where that is empty by
the ring's newest. The token vault's are wrapped alike, unless `SetTokenVaultCMK` chose a KMS key.
"""

from __future__ import annotations

import os
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from core import keyring, kms
from core.key_errors import KeyMissing, SealBroken
from core.models.keys import DataKey, TokenVault

_NONCE_BYTES = 12
_KEY_BITS = 256


def newest(purpose: str) -> str:
    """Return the id of what wraps the data keys of `purpose` from now on. May query."""
    if purpose == DataKey.Purpose.VAULT:
        vault = TokenVault.objects.filter(pk=TokenVault.DEFAULT).first()
        if vault is not None and vault.kms_key_arn:
            return vault.kms_key_arn
    return sites_own()


def sites_own() -> str:
    """Return the id of what wraps the site's own data keys."""
    return settings.VAULT_KMS_KEY_ARN or keyring.current().newest_id


def is_in_kms(kek_id: str) -> bool:
    """Say whether the key of this id is in KMS; if not, it is the ring's."""
    return kek_id.startswith("arn:")


def new_data_key(purpose: str, *, kek_id: str) -> DataKey:
    """Return a new data key wrapped by `kek_id`, not stored yet.

    Raises:
        KeyMissing, KeyUnavailable: `kek_id` cannot wrap.
    """
    key_id = uuid.uuid4()
    wrapped = _wrap(AESGCM.generate_key(_KEY_BITS), key_id=key_id, kek_id=kek_id)
    return DataKey(pk=key_id, purpose=purpose, kek_id=kek_id, sealed=wrapped)


def unwrap(row: DataKey) -> AESGCM:
    """Return the data key of `row`, opened by whatever wrapped it.

    Raises:
        KeyMissing: that key is not in the ring, or KMS will not use it for this site.
        KeyUnavailable: it is in KMS, which does not answer now.
        SealBroken: the row was changed, or is another's.
    """
    return AESGCM(_unwrap(row))


def rewrapped(row: DataKey, *, kek_id: str) -> bytes:
    """Return the same data key wrapped by `kek_id`. Raises as `unwrap`, of either key."""
    return _wrap(_unwrap(row), key_id=row.pk, kek_id=kek_id)


def _wrap(data_key: bytes, *, key_id: uuid.UUID, kek_id: str) -> bytes:
    if is_in_kms(kek_id):
        return kms.wrap(data_key, key_id=key_id, arn=kek_id)
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _of_the_ring(kek_id).encrypt(nonce, data_key, _associated_data(key_id))


def _unwrap(row: DataKey) -> bytes:
    wrapped = bytes(row.sealed)
    if is_in_kms(row.kek_id):
        return kms.unwrap(wrapped, key_id=row.pk, arn=row.kek_id)
    nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        return _of_the_ring(row.kek_id).decrypt(nonce, sealed, _associated_data(row.pk))
    except InvalidTag:
        raise SealBroken(detail=f"data key {row.pk} does not open with {row.kek_id!r}") from None


def _of_the_ring(kek_id: str) -> AESGCM:
    key = keyring.current().keys.get(kek_id)
    if key is None:
        raise KeyMissing(kek_id, because="VAULT_KEYS has no key of this id")
    return key


def _associated_data(key_id: uuid.UUID) -> bytes:
    return b"daiko.data-key.v1" + key_id.bytes
