"""Tokens as an identity provider issues them: RS256, of people who have signed in here."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "bench"
CLIENT = "bench-client"
_KID = "bench-key"
_LIFETIME_S = 12 * 3600


@dataclass(frozen=True)
class Key:
    """The issuer's key."""

    private: rsa.RSAPrivateKey

    def published(self) -> str:
        """Return it as a JSON Web Key Set (RFC 7517)."""
        numbers = self.private.public_key().public_numbers()
        entry = {
            **{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KID},
            **{"n": _number(numbers.n), "e": _number(numbers.e)},
        }
        return json.dumps({"keys": [entry]})

    def pem(self) -> bytes:
        """Return the public key as OpenSSL reads it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def tokens(self, issuer: str, people: Sequence[str], *, count: int) -> list[str]:
        """Return so many tokens, all different, of these people in turn."""
        now = int(time.time())

        def made(number: int) -> str:
            claims = {
                **{"iss": issuer, "sub": people[number % len(people)], "aud": AUDIENCE},
                **{"client_id": CLIENT, "scope": "openid profile", "jti": f"token-{number:012}"},
                **{"iat": now, "nbf": now, "exp": now + _LIFETIME_S},
            }
            return self._signed(claims)

        with ThreadPoolExecutor() as threads:  # signing lets other threads work meanwhile
            return list(threads.map(made, range(count), chunksize=100))

    def _signed(self, claims: dict[str, object]) -> str:
        header = {"alg": "RS256", "typ": "at+jwt", "kid": _KID}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
        signature = self.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"


def new_key() -> Key:
    """Return a new key of 2,048 bits."""
    return Key(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
