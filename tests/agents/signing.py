"""Requests signed with an access key by botocore's own signer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import time_machine
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from core.secret import Secret

REGION = "us-east-1"
SERVICE = "bedrock-agentcore"


def signed_headers(
    url: str,
    *,
    key_id: str,
    secret: Secret,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    seconds_ago: float = 0,
    method: str = "POST",
) -> dict[str, str]:
    """Return the headers of a request to `url`, a POST unless told, signed."""
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
    signer = SigV4Auth(Credentials(key_id, secret.reveal()), SERVICE, REGION)
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    with time_machine.travel(at, tick=False):
        signer.add_auth(request)
    return dict(request.headers.items())
