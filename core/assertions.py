"""Client assertions: a signature instead of a secret that both know (RFC 7523 section 2.2)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.util import urlsafe_b64encode

from core import aws
from core.oauth import Misconfigured, TryLater
from core.secret import Secret

Algorithm = Literal["RS256", "PS256", "ES256"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Sign = Callable[[bytes], bytes]

# What nobody may add: this module says it, or a verifier would obey it (RFC 7515 section 4.1).
RESERVED_HEADER = frozenset({"alg", "typ", "crit", "b64", "jwk", "jku", "x5u"})
RESERVED_PAYLOAD = frozenset({"iss", "sub", "aud", "jti", "iat", "nbf", "exp"})
_LIVES_S = 60
_KMS_NAMES: Mapping[Algorithm, str] = {
    "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
    "PS256": "RSASSA_PSS_SHA_256",
    "ES256": "ECDSA_SHA_256",
}
_P256_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertions:
    """What makes one client's assertions; a `Client` takes `for_audience`."""

    client_id: str
    algorithm: Algorithm
    sign: Sign
    header: Mapping[str, str] = field(default_factory=dict)
    payload: Mapping[str, str] = field(default_factory=dict)

    def for_audience(self, audience: str) -> Secret:
        """Return an assertion for the server at `audience`, good for one minute and one use.

        The audience is the endpoint that is asked, as RFC 7523 section 3 has it and servers expect.
        """
        now = int(time.time())
        header = {**self.header, "alg": self.algorithm, "typ": "JWT"}
        claims = {
            **self.payload,
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _LIVES_S,
        }
        signed = b".".join(
            urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode())
            for part in (header, claims)
        )
        return Secret(b".".join((signed, urlsafe_b64encode(self.sign(signed)))).decode())


def sign_with(key: PrivateKey, algorithm: Algorithm) -> Sign:
    """Return what signs with a key in memory (RFC 7518 section 3.1)."""

    def sign(octets: bytes) -> bytes:
        if isinstance(key, rsa.RSAPrivateKey):
            if algorithm == "RS256":
                return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return key.sign(octets, pss, hashes.SHA256())
        return _joined(key.sign(octets, ec.ECDSA(hashes.SHA256())))

    return sign


def sign_by_kms(arn: str, algorithm: Algorithm) -> Sign:
    """Return what signs with the KMS key `arn`, which never leaves AWS. It asks AWS each time.

    Raises, when it signs:
        TryLater: AWS does not answer now; nothing was sent to the provider.
        Misconfigured: AWS will not sign with this key for this site.
    """

    def sign(octets: bytes) -> bytes:
        try:
            answer = aws.client("kms", arn).sign(
                KeyId=arn,
                Message=octets,  # up to 4096 bytes; KMS says so of more
                MessageType="RAW",
                SigningAlgorithm=_KMS_NAMES[algorithm],
            )
        except (BotoCoreError, ClientError) as exc:
            code = aws.error_code(exc)
            if aws.is_transient(exc):
                raise TryLater(detail=f"Sign with {arn}: {code}") from exc
            raise Misconfigured(
                f"The key in AWS KMS does not sign ({code}).",
                error="key_refused",
                detail=f"Sign with {arn}: {code}",
            ) from exc
        signature = bytes(answer["Signature"])
        return _joined(signature) if algorithm == "ES256" else signature

    return sign


def _joined(der: bytes) -> bytes:
    """Return an ECDSA signature as a JWS has it: both numbers at full length (RFC 7518 3.4)."""
    return b"".join(number.to_bytes(_P256_BYTES, "big") for number in decode_dss_signature(der))
