"""Requests signed by botocore's own signers, as this site receives them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

import time_machine
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from core.secret import Secret
from core.wire import sigv4
from core.wire.canonical import SignedRequest

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY_ID = "AKIDDAIKO0000000ALICE"
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REGION = "us-east-1"
SERVICE = "bedrock-agentcore"
HOST = "daiko.example:8443"


def signed(
    method: str = "POST",
    target: str = "/identities/GetWorkloadAccessToken",
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    at: datetime = AT,
    secret: Secret = SECRET,
    key_id: str = KEY_ID,
    session_token: str | None = None,
    region: str = REGION,
    service: str = SERVICE,
    expires_s: int | None = None,
) -> SignedRequest:
    """Return the request as it arrives; with `expires_s` it is signed in the query."""
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    credentials = Credentials(key_id, secret.reveal(), session_token)
    signer = (
        SigV4Auth(credentials, service, region)
        if expires_s is None
        else SigV4QueryAuth(credentials, service, region, expires=expires_s)
    )
    with time_machine.travel(at, tick=False):
        signer.add_auth(request)
    url = urlsplit(str(request.url))
    return SignedRequest(
        method=method,
        raw_path=url.path.encode(),
        raw_query=url.query.encode(),
        headers=(
            (b"host", url.netloc.encode()),
            *((n.lower().encode(), v.encode("latin-1")) for n, v in request.headers.items()),
        ),
        body_sha256=sha256(body).hexdigest(),
    )


def verify(
    request: SignedRequest,
    *,
    at: datetime = AT,
    secret: Secret | None = SECRET,
    region: str = REGION,
    service: str = SERVICE,
) -> sigv4.VerifiedSignature:
    unverified = sigv4.parse(request, at=at, region=region, service=service)
    return sigv4.check(unverified, secret if unverified.access_key_id == KEY_ID else None)
