"""The key-encryption keys, from `VAULT_KEYS`."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_ENTRY = re.compile(r"(?P<id>[A-Za-z0-9_.-]{1,64}):(?P<key>[A-Za-z0-9+/=_-]+)")
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Key-encryption keys by id. The newest one wraps; every one of them unwraps."""

    newest_id: str
    keys: dict[str, AESGCM]

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.keys)})"


@lru_cache(maxsize=4)
def parse(text: str) -> KeyRing:
    """Return the ring that `text` describes: `id:base64key`, newest first.

    Raises:
        ImproperlyConfigured: an entry is not of that form, a key is not of 256 bits, an id stands
            twice, or there is none. The message counts entries and holds nothing of them: what
            stands in an id's place may be a key.
    """
    keys: dict[str, AESGCM] = {}
    newest_id = ""
    for number, entry in enumerate(re.split(r"[\s,]+", text.strip()), start=1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ImproperlyConfigured(f"entry {number} is not of the form id:base64key")
        key_id = match["id"]
        try:
            key = base64.b64decode(match["key"].replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error:
            raise ImproperlyConfigured(f"the key of entry {number} is not base64") from None
        if len(key) != _KEY_BYTES:
            raise ImproperlyConfigured(f"the key of entry {number} is not of {_KEY_BYTES} bytes")
        if key_id in keys:
            raise ImproperlyConfigured(f"the id of entry {number} stands twice")
        keys[key_id] = AESGCM(key)
        newest_id = newest_id or key_id
    return KeyRing(newest_id, keys)


def current() -> KeyRing:
    """Return the ring of this process's settings."""
    return parse(settings.VAULT_KEYS)
