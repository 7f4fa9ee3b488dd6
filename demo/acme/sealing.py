"""A sealed copy of the answer to a refresh, which only the refresh token that earned it opens.

The key is derived from the refresh token, which is not stored: neither a dump of the database nor
the site's own keys open the copy. It exists so that a client whose connection broke can be given
the same answer again (RFC 9700 section 4.14.2 leaves the choice to the server).
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


def seal_answer(answer: dict[str, Any], *, under: str, family: uuid.UUID) -> bytes:
    """Return `answer` encrypted under the refresh token `under`, bound to its family."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(under).encrypt(nonce, json.dumps(answer).encode(), family.bytes)


def open_answer(sealed: bytes, *, under: str, family: uuid.UUID) -> dict[str, Any]:
    """Return the answer that was sealed under the refresh token `under`.

    Raises:
        cryptography.exceptions.InvalidTag: another token, another family, or changed bytes.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    opened: dict[str, Any] = json.loads(_cipher(under).decrypt(nonce, ciphertext, family.bytes))
    return opened


def _cipher(refresh_token: str) -> AESGCM:
    # The token holds 256 random bits, so it needs no stretching, and its own row is looked up
    # by plain SHA-256: a key derived with a label has nothing in common with that.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"acme successor answer")
    return AESGCM(derived.derive(refresh_token.encode()))
