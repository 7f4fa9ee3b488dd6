"""AWS Signature Version 4: who signed this request, and was it changed on the way?

Two steps, with the lookup of the access key between them:

    unverified = parse(request, at=..., region=..., service=...)   # refuses what no key can save
    verified = check(unverified, secret)                           # the only maker of its result

Both forms are read: the `Authorization` header and the presigned query. What is signed is what
arrived: the raw path, quoted once more as AWS has it for every service but S3, the query in
canonical order, the signed headers and the SHA-256 of the body. Within its window of time a
signature proves the same again; whoever acts on it decides whether it may count twice.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import ClassVar

from core.errors import Forbidden
from core.secret import Secret
from core.wire.canonical import (
    SignedRequest,
    canonical_path,
    canonical_query,
    is_plain_path,
)

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=5)
MAX_PRESIGNED_S = 7 * 24 * 3600
# That of botocore has less than 600, with every header signed that it sends.
_MAX_AUTHORIZATION_CHARS = 8192

_TERMINATOR = "aws4_request"
_HEADER_PARTS = {"Credential", "SignedHeaders", "Signature"}
_PRESIGNED_PARTS = {
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Date",
    b"X-Amz-Expires",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Signature",
}
Query = tuple[tuple[bytes, bytes], ...]

_ACCESS_KEY_ID = re.compile(r"\w{4,128}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_EXPIRES = re.compile(r"[0-9]{1,6}")


class Reason(StrEnum):
    """Why a signature was refused. The values are stable: logs and the audit trail keep them."""

    MISSING = "signature_missing"
    AMBIGUOUS = "signature_ambiguous"
    ALGORITHM = "signature_algorithm"
    MALFORMED = "signature_malformed"
    PATH = "signature_path"
    SCOPE = "signature_scope"
    HEADERS = "signature_headers"
    SESSION_TOKEN = "signature_session_token"  # noqa: S105 - the name of a reason
    PAYLOAD = "signature_payload"
    EXPIRED = "signature_expired"
    NOT_YET_VALID = "signature_not_yet_valid"
    UNKNOWN_KEY = "signature_unknown_key"
    KEY_DISABLED = "key_disabled"
    KEY_EXPIRED = "key_expired"
    KEY_REVOKED = "key_revoked"
    REPLAYED = "signature_replayed"
    MISMATCH = "signature_mismatch"


class SignatureRefused(Forbidden):
    """The request is not signed by a key of this site; `reason` says what was found."""

    code = "signature_refused"

    def __init__(self, reason: Reason, message: str, *, access_key_id: str = "") -> None:
        found = f" key={access_key_id}" if access_key_id else ""
        super().__init__(message, detail=f"{reason}{found}")
        self.reason = reason
        self.access_key_id = access_key_id  # as it was named, which proves nothing


@dataclass(frozen=True)
class UnverifiedSignature:
    """A claim to have signed a request: well formed, in time, and not yet checked."""

    access_key_id: str
    signed_at: datetime
    good_until: datetime
    scope: tuple[str, str, str]  # date, region, service
    presigned: bool
    signed_headers: frozenset[str]
    string_to_sign: str
    signature: str


@dataclass(frozen=True)
class VerifiedSignature:
    """The request was signed with the secret of this access key. Only `check` makes one."""

    access_key_id: str
    signed_at: datetime
    presigned: bool
    _made_by: object = field(repr=False, compare=False)

    _CHECK: ClassVar[object] = object()

    def __post_init__(self) -> None:
        if self._made_by is not self._CHECK:
            raise TypeError("A VerifiedSignature comes from check() and from nowhere else.")


@dataclass(frozen=True)
class _Claim:
    """The parts of a signature, wherever they were found."""

    credential: str
    date: str
    signed_headers: str
    signature: str
    expires_s: int | None  # None: header form
    query: Query  # without the signature itself


def parse(
    request: SignedRequest, *, at: datetime, region: str, service: str
) -> UnverifiedSignature:
    """Return the signature that `request` claims, ready for `check`.

    Raises:
        SignatureRefused: it is absent, malformed, out of time, for another region or service, or
            does not cover what it must: the host, every `x-amz-*` header and the body.
    """
    if not is_plain_path(request.raw_path):
        raise SignatureRefused(
            Reason.PATH, "The path must be absolute, without empty, '.' or '..' segments."
        )
    headers = request.merged
    claim = _find_claim(headers, request.pairs)
    access_key_id, scope = _read_credential(claim, region=region, service=service)
    signed_at = _read_date(claim.date)
    good_until = signed_at + (
        MAX_SKEW if claim.expires_s is None else timedelta(seconds=claim.expires_s)
    )
    _refuse_out_of_time(signed_at, good_until, at=at)
    signed_names = _read_signed_headers(claim.signed_headers, headers)
    payload = _read_payload(headers, request.body_sha256)
    canonical_request = "\n".join(
        (
            request.method,
            canonical_path(request.raw_path),
            canonical_query(claim.query),
            *(f"{name}:{headers[name]}" for name in signed_names),
            "",
            claim.signed_headers,
            payload,
        )
    )
    string_to_sign = "\n".join(
        (
            ALGORITHM,
            claim.date,
            "/".join((*scope, _TERMINATOR)),
            sha256(canonical_request.encode()).hexdigest(),
        )
    )
    return UnverifiedSignature(
        access_key_id=access_key_id,
        signed_at=signed_at,
        good_until=good_until,
        scope=scope,
        presigned=claim.expires_s is not None,
        signed_headers=frozenset(signed_names),
        string_to_sign=string_to_sign,
        signature=claim.signature,
    )


def unusable(unverified: UnverifiedSignature, reason: Reason) -> SignatureRefused:
    """Return the refusal of a key with which nobody can sign; outside, each reason is the same."""
    return SignatureRefused(
        reason,
        "The security token included in the request is invalid.",
        access_key_id=unverified.access_key_id,
    )


def check(unverified: UnverifiedSignature, secret: Secret | None) -> VerifiedSignature:
    """Return proof that the holder of `secret` signed; None stands for an unknown access key.

    Raises:
        SignatureRefused: there is no such key, or it did not make this signature.
    """
    if secret is None:
        raise unusable(unverified, Reason.UNKNOWN_KEY)
    key = _signing_key(secret, *unverified.scope)
    expected = hmac_digest(key, unverified.string_to_sign.encode(), "sha256").hex()
    if not compare_digest(expected, unverified.signature):
        raise SignatureRefused(
            Reason.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details.",
            access_key_id=unverified.access_key_id,
        )
    return VerifiedSignature(
        access_key_id=unverified.access_key_id,
        signed_at=unverified.signed_at,
        presigned=unverified.presigned,
        _made_by=VerifiedSignature._CHECK,
    )


@lru_cache(maxsize=4096)
def _signing_key(secret: Secret, date: str, region: str, service: str) -> bytes:
    """Return the key of one day; four HMACs that all requests of that day share.

    Date, region and service were checked before, so that nobody can fill this cache at will.
    """
    key = b"AWS4" + secret.reveal().encode()
    for part in (date, region, service, _TERMINATOR):
        key = hmac_digest(key, part.encode(), "sha256")
    return key


def _find_claim(headers: Mapping[str, str], query: Query) -> _Claim:
    authorization = headers.get("authorization")
    presigned = any(name in _PRESIGNED_PARTS for name, _ in query)
    if authorization is not None and presigned:
        raise SignatureRefused(
            Reason.AMBIGUOUS, "Sign either in the Authorization header or in the query, not both."
        )
    if authorization is not None:
        return _claim_in_header(authorization, headers, query)
    if presigned:
        return _claim_in_query(query)
    raise SignatureRefused(Reason.MISSING, "Missing Authentication Token")


def _claim_in_header(authorization: str, headers: Mapping[str, str], query: Query) -> _Claim:
    algorithm, _, rest = authorization.partition(" ")
    _refuse_other_algorithm(algorithm)
    if len(authorization) > _MAX_AUTHORIZATION_CHARS:
        raise _malformed(f"The Authorization header is longer than {_MAX_AUTHORIZATION_CHARS}.")
    listed = [part.strip(" ").partition("=") for part in rest.split(",")]
    parts = {name: value for name, _, value in listed}
    if len(listed) != len(_HEADER_PARTS) or parts.keys() != _HEADER_PARTS:
        raise _malformed("The Authorization header needs Credential, SignedHeaders and Signature.")
    return _Claim(
        credential=parts["Credential"],
        date=headers.get("x-amz-date", ""),
        signed_headers=parts["SignedHeaders"],
        signature=_read_signature(parts["Signature"]),
        expires_s=None,
        query=query,
    )


def _claim_in_query(query: Query) -> _Claim:
    listed = [pair for pair in query if pair[0] in _PRESIGNED_PARTS]
    parts = {name.decode(): value.decode("latin-1") for name, value in listed}
    if len(listed) != len(_PRESIGNED_PARTS) or len(parts) != len(_PRESIGNED_PARTS):
        raise _malformed("A presigned query needs each of its X-Amz- parameters exactly once.")
    _refuse_other_algorithm(parts["X-Amz-Algorithm"])
    if any(name == b"X-Amz-Security-Token" for name, _ in query):
        raise _session_token()
    expires = parts["X-Amz-Expires"]
    if not _EXPIRES.fullmatch(expires) or not 1 <= int(expires) <= MAX_PRESIGNED_S:
        raise _malformed(f"X-Amz-Expires must be between 1 and {MAX_PRESIGNED_S} seconds.")
    return _Claim(
        credential=parts["X-Amz-Credential"],
        date=parts["X-Amz-Date"],
        signed_headers=parts["X-Amz-SignedHeaders"],
        signature=_read_signature(parts["X-Amz-Signature"]),
        expires_s=int(expires),
        query=tuple(pair for pair in query if pair[0] != b"X-Amz-Signature"),
    )


def _refuse_other_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise SignatureRefused(
            Reason.ALGORITHM, f"Requests to this operation are signed with {ALGORITHM}."
        )


def _read_signature(text: str) -> str:
    if not _SIGNATURE.fullmatch(text):
        raise _malformed("A signature is 64 lower-case hexadecimal digits.")
    return text


def _read_credential(
    claim: _Claim, *, region: str, service: str
) -> tuple[str, tuple[str, str, str]]:
    access_key_id, *scope = claim.credential.split("/")
    if not _ACCESS_KEY_ID.fullmatch(access_key_id) or scope[3:] != [_TERMINATOR]:
        raise _malformed("A credential reads KEY/YYYYMMDD/REGION/SERVICE/aws4_request.")
    signed_for = (scope[0], scope[1], scope[2])
    wanted = (claim.date[:8], region, service)
    if signed_for != wanted:
        raise SignatureRefused(
            Reason.SCOPE,
            f"Credential should be scoped to the date of the request, region '{region}' "
            f"and service '{service}'.",
            access_key_id=access_key_id,
        )
    return access_key_id, signed_for


def _read_date(text: str) -> datetime:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text)  # in UTC, as the Z says
    except ValueError:
        raise _malformed("X-Amz-Date must read YYYYMMDDTHHMMSSZ.") from None


def _refuse_out_of_time(signed_at: datetime, good_until: datetime, *, at: datetime) -> None:
    if signed_at <= at + MAX_SKEW and good_until >= at:
        return
    signed, now = (f"{moment:%Y%m%dT%H%M%SZ}" for moment in (signed_at, at))
    if signed_at > at + MAX_SKEW:
        raise SignatureRefused(
            Reason.NOT_YET_VALID,
            f"Signature not yet current: {signed} is still later than {now} by more than 5 min. "
            "Check the clock of the machine that signed.",
        )
    raise SignatureRefused(
        Reason.EXPIRED,
        f"Signature expired: {signed} is now earlier than {now} by more than "
        f"{(good_until - signed_at).total_seconds():.0f} s. "
        "Check the clock of the machine that signed.",
    )


def _read_signed_headers(listed: str, headers: Mapping[str, str]) -> list[str]:
    """Return the names of the signed headers, which cover all that must be covered."""
    if "x-amz-security-token" in headers:
        raise _session_token()
    names = listed.split(";")
    if names != sorted(set(names)):
        raise _malformed("SignedHeaders must be in order and name each header once.")
    if not headers.keys() >= set(names):
        raise SignatureRefused(Reason.HEADERS, "A header named in SignedHeaders is not there.")
    must = {"host", *(name for name in headers if name.startswith("x-amz-"))}
    if not must <= set(names):
        unsigned = ", ".join(sorted(must - set(names)))
        raise SignatureRefused(Reason.HEADERS, f"These headers must be signed: {unsigned}")
    return names


def _read_payload(headers: Mapping[str, str], body_sha256: str) -> str:
    """Return the canonical request's last line: what the signature says of the body.

    Refuses, besides a hash of something else, `UNSIGNED-PAYLOAD` and the `STREAMING-` kinds, which
    sign chunk by chunk.
    """
    if headers.get("x-amz-content-sha256", body_sha256) != body_sha256:
        raise SignatureRefused(
            Reason.PAYLOAD, "X-Amz-Content-SHA256 must be the SHA-256 of the request's body."
        )
    return body_sha256


def _malformed(message: str) -> SignatureRefused:
    return SignatureRefused(Reason.MALFORMED, message)


def _session_token() -> SignatureRefused:
    return SignatureRefused(
        Reason.SESSION_TOKEN,
        "The security token included in the request is invalid. This site's access keys come "
        "without one: unset AWS_SESSION_TOKEN.",
    )
