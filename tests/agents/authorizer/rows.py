"""How a row of the matrix is written: a rule, a token, and what exactly has to come of it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.fixtures.issuer import Issuer, signing_key

Make = Callable[[Issuer], str]


class Outcome(NamedTuple):
    """What the caller is told, and the reason that is on record."""

    status: int
    message: str
    code: str


@dataclass(frozen=True)
class Row:
    """`token` is shown to an agent whose authorizer is called `rule`."""

    name: str
    rule: str
    token: Make
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.rule}: {self.name}"


_FAILED = "OAuth authorization failed: "


def mismatch(claim: str, code: str, prefix: str = "") -> Outcome:
    return Outcome(401, f"{prefix}Claim '{claim}' value mismatch with configuration.", code)


LET_IN = Outcome(200, "", "")
MALFORMED = Outcome(403, f"{_FAILED}Failed to parse token", "malformed")
ALGORITHM = Outcome(401, f"{_FAILED}Token algorithm is not allowed", "algorithm_not_allowed")
CRITICAL = Outcome(
    401, f"{_FAILED}Token has a critical header that is not understood", "critical_header"
)
KIND = Outcome(401, f"{_FAILED}Token type is not allowed", "type_not_allowed")
ISSUER = mismatch("iss", "issuer_mismatch")
KEY = Outcome(401, f"{_FAILED}Token key is not known", "unknown_key")
KEY_USE = Outcome(401, f"{_FAILED}Token key is not for its algorithm", "key_mismatch")
SIGNATURE = Outcome(401, f"{_FAILED}Token signature is not valid", "bad_signature")
NO_EXPIRY = Outcome(401, f"{_FAILED}Token has no expiry", "no_expiry")
EXPIRED = Outcome(401, f"{_FAILED}Token has expired", "expired")
NOT_YET = Outcome(401, f"{_FAILED}Token is not valid yet", "not_yet_valid")
NOBODY = Outcome(401, f"{_FAILED}Token names no subject", "no_subject")
AUDIENCE = mismatch("aud", "audience_mismatch")
CLIENT = mismatch("client_id", "client_mismatch")
SCOPE = mismatch("scope", "scope_mismatch")


def custom(claim: str) -> Outcome:
    return mismatch(claim, "custom_claim_mismatch", prefix="Authorization denied. ")


class In(float):
    """Seconds from now: a row is made long before its token."""


def _from_now(claims: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {name: now + value if isinstance(value, In) else value for name, value in claims.items()}


def claims(**changed: Any) -> Make:
    """A good token with these claims changed, of no type; one that is None is left out."""
    return lambda issuer: issuer.token(header={"typ": None}, **_from_now(changed))


def header(alg: str | None = None, kid: str = "", **changed: Any) -> Make:
    """A good token with these parameters in its header, signed by the issuer's key `kid`."""

    def make(issuer: Issuer) -> str:
        key = next((k for k in issuer.keys if k.kid == kid), issuer.keys[0])
        return issuer.token(alg=alg, key=key, header=changed)

    return make


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(
    head: dict[str, Any] | bytes | None = None,
    body: dict[str, Any] | bytes | None = None,
    *,
    signature: bytes | None = None,
    kid: str = "first",
) -> Make:
    """A token of exactly these bytes, with the issuer's own signature unless another is given.

    A body that is given as claims is that of a good token with these changed.
    """

    def make(issuer: Issuer) -> str:
        parts = (
            head
            if isinstance(head, bytes)
            else _json({"alg": "RS256", "kid": kid, **(head or {})}),
            body if isinstance(body, bytes) else _json(issuer.claims(**_from_now(body or {}))),
        )
        unsigned = ".".join(b64(part) for part in parts)
        return f"{unsigned}.{b64(_signed(unsigned) if signature is None else signature)}"

    return make


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _signed(unsigned: str) -> bytes:
    private = signing_key("first").raw_value
    assert isinstance(private, RSAPrivateKey)
    return private.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())


def text(token: str) -> Make:
    """Not a token at all."""
    return lambda _issuer: token


def changed(change: Callable[[str], str]) -> Make:
    """A good token of which somebody changed a few characters."""
    return lambda issuer: change(issuer.token())
