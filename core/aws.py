"""Clients of AWS's own services, for a site that keeps keys or secrets, or has agents, there.

Credentials come by boto3's standard chain, and endpoints by its standard variables
(`AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL_SECRETS_MANAGER`, ...): both are the operator's, never an
admin's, so `core.http`'s guard is not asked. A region that was given in an ARN becomes part of a
host name, and botocore refuses one that could not be.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

Service = Literal[
    "kms", "secretsmanager", "cognito-idp", "bedrock-agentcore", "bedrock-agentcore-control"
]

# One question takes ten seconds at most: both attempts, with the pause between them.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
)
# What changes something waits longer, and is not asked twice: it may have been done.
_PATIENT = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 1}
)
# Nothing is changed by what is read there, and there may be much of it.
_READING = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5}
)
_CONFIGS: dict[Service, Config] = {
    "cognito-idp": _PATIENT,
    "bedrock-agentcore": _PATIENT,
    "bedrock-agentcore-control": _READING,
}
# What AWS says when the same question may be answered later; any other answer is for an admin.
_TRANSIENT = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "InternalServiceError",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_ERROR = 500

_ARN_REGION = re.compile(r"arn:[^:]+:[^:]+:([^:]+):")

_lock = threading.Lock()
_clients: dict[tuple[Service, str], Any] = {}
_sessions: list[
    boto3.session.Session
] = []  # one, which keeps credentials that end, and renews them


def client(service: Service, arn_or_name: str) -> Any:
    """Return the client for the region that an ARN names; for a plain name, the site's own.

    Clients may be used by several threads at once; making one reads files, so they are kept.

    Raises:
        BotoCoreError: the region is none.
    """
    named = _ARN_REGION.match(arn_or_name)
    return client_in(named[1] if named else settings.AWS_REGION, service)


def client_in(region: str, service: Service) -> Any:
    """Return the client for a region. Raises BotoCoreError: the region is none."""
    with _lock:
        found = _clients.get((service, region))
        if found is None:
            # boto3's default session is not made for threads, so each client has one of its own.
            connect: Any = boto3.session.Session().client
            found = connect(service, region_name=region, config=_CONFIGS.get(service, _CONFIG))
            _clients[service, region] = found
        return found


def credentials() -> ReadOnlyCredentials | None:
    """Return this site's own AWS credentials as they are now, or None. May ask for fresh ones.

    Raises:
        BotoCoreError: they cannot be had now.
    """
    with _lock:
        if not _sessions:
            _sessions.append(boto3.session.Session())
        found = _sessions[0].get_credentials()
    return found.get_frozen_credentials() if found else None


def forget() -> None:
    """Drop the clients, as after endpoints or credentials were changed."""
    with _lock:
        _clients.clear()
        _sessions.clear()


def error_code(error: BotoCoreError | ClientError) -> str:
    """Return the name of what went wrong: AWS's own code, or the kind of failure to reach it."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def is_transient(error: BotoCoreError | ClientError) -> bool:
    """Say whether the same question may be answered later, with nobody changing anything."""
    if not isinstance(error, ClientError):
        # No connection, no answer in time, no credentials yet from a metadata server.
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _SERVER_ERROR or error_code(error) in _TRANSIENT
