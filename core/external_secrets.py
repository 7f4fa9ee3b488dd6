"""Secrets that stay in AWS Secrets Manager, and are read from there when they are needed.

A secret there is a JSON object, and one of its keys holds the value. What was read is kept for
`KEPT_S` seconds in this process, so a rotated secret is picked up that soon. Once that time is over
an old value is not used instead, however long AWS is away.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import aws
from core.errors import AppError
from core.secret import Secret

KEPT_S = 30.0
_MAX_KEPT = 1_000


class ExternalSecretUnavailable(AppError):
    """AWS does not answer now; the same question may be answered later."""

    code = "external_secret_unavailable"
    status = 503
    message = _("A secret in AWS Secrets Manager cannot be read right now. Try again in a moment.")


class ExternalSecretMissing(AppError):
    """There is no such secret there, or not for this site: an administrator has to act."""

    code = "external_secret_missing"
    status = 404
    aws = "ResourceNotFoundException"
    message = _("A secret in AWS Secrets Manager cannot be read. An administrator has to act.")

    def __init__(self, why: str, *, detail: str) -> None:
        super().__init__(format_lazy("{} ({})", type(self).message, why), detail=detail)


_lock = threading.Lock()
_kept: dict[str, tuple[float, Secret]] = {}


def read(secret_id: str, json_key: str) -> Secret:
    """Return what stands under `json_key` in the secret `secret_id`, a name or an ARN.

    Asks AWS unless it did so within the last `KEPT_S` seconds. Blocks, so call it on a thread.

    Raises:
        ExternalSecretUnavailable: AWS does not answer now.
        ExternalSecretMissing: there is no such secret or key, or this site may not read it.
    """
    value = _members(_text_of(secret_id), secret_id).get(json_key)
    if not isinstance(value, str) or not value:
        raise ExternalSecretMissing(
            "it has no such JSON key", detail=f"{secret_id!r} has no text under {json_key!r}"
        )
    return Secret(value)


def forget() -> None:
    """Drop what is kept, so that the next reading asks AWS."""
    with _lock:
        _kept.clear()


def _text_of(secret_id: str) -> Secret:
    asked_at = time.monotonic()  # the answer is as old as the question
    with _lock:
        kept_at, text = _kept.get(secret_id, (0.0, None))
    if text is not None and asked_at - kept_at < KEPT_S:
        return text
    text = _ask(secret_id)
    with _lock:
        if len(_kept) >= _MAX_KEPT:
            _kept.clear()
        _kept[secret_id] = (asked_at, text)
    return text


def _ask(secret_id: str) -> Secret:
    try:
        answer = aws.client("secretsmanager", secret_id).get_secret_value(SecretId=secret_id)
    except (BotoCoreError, ClientError) as exc:
        code = aws.error_code(exc)
        detail = f"GetSecretValue of {secret_id!r}: {code}"
        if aws.is_transient(exc):
            raise ExternalSecretUnavailable(detail=detail) from exc
        raise ExternalSecretMissing(code, detail=detail) from exc
    text = answer.get("SecretString")
    if text is None:
        raise ExternalSecretMissing(
            "it is binary, not JSON", detail=f"{secret_id!r} has no SecretString"
        )
    return Secret(text)


def _members(text: Secret, secret_id: str) -> dict[str, Any]:
    try:
        members = json.loads(text.reveal())
    except (ValueError, RecursionError):
        members = None  # an error of the parser would hold the text
    if not isinstance(members, dict):
        raise ExternalSecretMissing(
            "it is not a JSON object", detail=f"{secret_id!r} is not a JSON object"
        )
    return members
