"""Proof key for code exchange (RFC 7636), method S256 only."""

from __future__ import annotations

import base64
import hashlib
import secrets

from core.secret import Secret


def new_verifier() -> Secret:
    """Return a fresh code verifier with 256 bits of entropy (RFC 7636 section 4.1)."""
    return Secret(secrets.token_urlsafe(32))


def challenge_for(verifier: Secret) -> str:
    """Return the S256 code challenge of `verifier` (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.reveal().encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
