"""A token as it comes, and what makes it one that a key has signed (RFC 7515, RFC 7519, RFC 8725).

Each check is a function of its own that returns what is wrong, or None: some callers want the first
of them, and some want them all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NewType

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from core.errors import AppError
from core.jose.keys import Key, fits, in_words

# RFC 8725 section 3.1: a literal list, asymmetric only. `none` and HMAC are not on it.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
# Whoever shows a token makes this site read it before anything is known. Entra's, with the 200
# groups that it names at the most, have less than 12 KiB.
_MAX_TOKEN_BYTES = 16_384
_MAX_HEADER_BYTES = 16_384
_MAX_KEPT_CHARS = 512
_PARTS = 3  # header, payload, signature: RFC 7515 section 7.1


class _Registry(jws.JWSRegistry):
    """What may stand in a header: issuers put parameters of their own there, and certificates."""

    max_header_length = _MAX_HEADER_BYTES
    max_payload_length = _MAX_TOKEN_BYTES


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)

Claims = NewType("Claims", dict[str, Any])


class TokenRejected(AppError):
    """The token is not one that its issuer signed. `code` says which check it failed."""

    status = 401
    aws = "UnauthorizedException"

    def __init__(self, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A parsed JWS whose signature nobody has checked: good for choosing a key, and no more."""

    raw: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def kid(self) -> str:
        """Return the key id of the header, or the empty string."""
        return str(self.header.get("kid", ""))


def parse(token: str) -> UnverifiedToken:
    """Return the parts of a compact JWS, unverified. Raises TokenRejected (`malformed`)."""
    if len(token) > _MAX_TOKEN_BYTES:
        raise _malformed("too long")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise _malformed(f"{len(parts)} parts")
    if len(parts[0]) > _MAX_HEADER_BYTES:
        raise _malformed("header too long")
    try:
        header = _header(parts[0]) if len(parts[0]) <= _MAX_KEPT_CHARS else _object(parts[0])
        claims = _object(parts[1])
    except (ValueError, RecursionError) as exc:
        raise _malformed(type(exc).__name__) from None
    if any(not isinstance(header.get(name, ""), str) for name in ("kid", "typ")):
        raise _malformed("kid or typ not a string")
    return UnverifiedToken(token, header, claims)


def _malformed(detail: str) -> TokenRejected:
    return TokenRejected("malformed", "Failed to parse token", detail=detail)


def _object(part: str) -> dict[str, Any]:
    """Return the JSON object of a part. Raises ValueError, RecursionError.

    It is UTF-8 (RFC 7515 section 2), holds no member twice, since two readers could each see
    another one (RFC 7519 section 4), and no number that JSON has not.
    """
    text = urlsafe_b64decode(part.encode("ascii")).decode()
    found = _JSON.decode(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


@lru_cache(maxsize=256)
def _header(part: str) -> dict[str, Any]:
    """Return what `_object` does, for everybody who asks: nobody may change it.

    All tokens that a key has signed have the same header.
    """
    return _object(part)


# Made once: it would be made anew for each token.
_JSON = json.JSONDecoder(object_pairs_hook=_without_doubles, parse_constant=_no_number)


def algorithm_problem(token: UnverifiedToken) -> TokenRejected | None:
    """Return what is wrong with the algorithm: it is not on the list."""
    algorithm = token.header.get("alg")
    if algorithm in ALGORITHMS:
        return None
    return TokenRejected(
        "algorithm_not_allowed",
        "Token algorithm is not allowed",
        detail=f"alg {str(algorithm)[:32]!r}",
    )


def critical_problem(token: UnverifiedToken) -> TokenRejected | None:
    """Return that the header asks for an extension, of which none is understood.

    Also where it stands without being marked critical: a payload that is not encoded (`b64`, RFC
    7797 section 7) is forbidden in a JWT.
    """
    if "crit" not in token.header and token.header.get("b64", True) is True:
        return None
    return TokenRejected("critical_header", "Token has a critical header that is not understood")


def key_problem(token: UnverifiedToken, key: Key | None) -> TokenRejected | None:
    """Return that there is no key of the token's id."""
    if key is not None:
        return None
    return TokenRejected("unknown_key", "Token key is not known", detail=f"kid {token.kid[:64]!r}")


def use_problem(token: UnverifiedToken, key: Key) -> TokenRejected | None:
    """Return that the key is not for the token's algorithm."""
    algorithm = str(token.header.get("alg"))
    if fits(key, algorithm):
        return None
    return TokenRejected(
        "key_mismatch",
        "Token key is not for its algorithm",
        detail=f"alg {algorithm[:32]!r}, key {in_words(key)}",
    )


def signature_problem(token: UnverifiedToken, key: Key) -> TokenRejected | None:
    """Return that the signature is not the key's (RFC 7515 section 5.2).

    The key is the issuer's: one that the header brings along or points to is never used.
    """
    signed, _, signature = token.raw.rpartition(".")
    why = "BadSignatureError"
    try:
        algorithm = _REGISTRY.get_alg(str(token.header.get("alg")))
        algorithm.check_key(key)
        octets = urlsafe_b64decode(signature.encode("ascii"))
        # The text as it came, and not what was read from it, is what the key has signed.
        if algorithm.verify(signed.encode("ascii"), octets, key):
            return None
    except (JoseError, ValueError, TypeError) as exc:
        why = type(exc).__name__
    return TokenRejected("bad_signature", "Token signature is not valid", detail=why)


def check_signature(token: UnverifiedToken, key: Key | None) -> Claims:
    """Return the claims of `token` once `key` has verified them.

    Raises:
        TokenRejected: the algorithm is not on the list, the header asks for an extension, there is
            no such key, it is not for this algorithm, or the signature is not the key's.
    """
    problem = algorithm_problem(token) or critical_problem(token) or key_problem(token, key)
    if problem is None and key is not None:
        problem = use_problem(token, key) or signature_problem(token, key)
    if problem is not None:
        raise problem
    return Claims(token.claims)


def numeric_date(value: Any) -> float | None:
    """Return a NumericDate (RFC 7519 section 2) as seconds; None: it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None  # noqa: PLR2004  (NaN and absurd dates)
