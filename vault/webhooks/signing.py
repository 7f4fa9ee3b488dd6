"""Signing what is sent to a webhook, and the secrets that do (Standard Webhooks 1.0.0).

The signature scheme is `v1`: HMAC-SHA256 over `id.timestamp.payload`. Each secret that is good at
the time adds a signature; a receiver needs to know one of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as randomness
from collections.abc import Iterable
from datetime import datetime

from core.secret import Secret

_PREFIX = "whsec_"
# The specification asks for 24 bytes at least; as many as the hash has are worth using.
_SECRET_BYTES = 32


def new_secret() -> Secret:
    """Return a fresh secret in the form in which receivers are given it: `whsec_` and base64."""
    raw = randomness.token_bytes(_SECRET_BYTES)
    return Secret(_PREFIX + base64.b64encode(raw).decode("ascii"))


def signed_headers(
    *, message_id: str, at: datetime, payload: bytes, secrets: Iterable[Secret]
) -> dict[str, str]:
    """Return the headers that go with `payload` when it is sent at `at`.

    The time is that of this attempt, so that a receiver can refuse what somebody sends again later.
    """
    sent_at = str(int(at.timestamp()))
    signed = b".".join((message_id.encode("ascii"), sent_at.encode("ascii"), payload))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": " ".join(f"v1,{_signature(signed, each)}" for each in secrets),
    }


def _signature(signed: bytes, secret: Secret) -> str:
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX), validate=True)
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")
