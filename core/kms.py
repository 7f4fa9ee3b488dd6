"""Wrapping data keys with a symmetric key in AWS KMS, which never leaves it.

The encryption context names the token vault and the data key, as AgentCore's does: KMS
authenticates it, logs it, and lets a key policy ask for it. AWS_REGION and DAIKO_ACCOUNT_ID are in
it, so a data key opens only in the site that wrapped it.
"""

from __future__ import annotations

import uuid

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from core import aws
from core.key_errors import KeyMissing, KeyUnavailable


def wrap(data_key: bytes, *, key_id: uuid.UUID, arn: str) -> bytes:
    """Return `data_key`, whose id is `key_id`, wrapped by the KMS key `arn`. Asks AWS.

    Raises:
        KeyMissing: KMS will not use this key for this site.
        KeyUnavailable: KMS does not answer now.
    """
    try:
        answer = aws.client("kms", arn).encrypt(
            KeyId=arn, Plaintext=data_key, EncryptionContext=_context(key_id)
        )
    except (BotoCoreError, ClientError) as exc:
        raise _refusal(exc, arn) from exc
    return bytes(answer["CiphertextBlob"])


def unwrap(wrapped: bytes, *, key_id: uuid.UUID, arn: str) -> bytes:
    """Return the data key that `wrap` was given. Asks AWS. Raises as `wrap`."""
    try:
        answer = aws.client("kms", arn).decrypt(
            KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=_context(key_id)
        )
    except (BotoCoreError, ClientError) as exc:
        raise _refusal(exc, arn) from None  # the request's parameters hold the ciphertext
    return bytes(answer["Plaintext"])


def is_deleted(arn: str) -> bool:
    """Say whether the KMS key is gone for good: not disabled, and not waiting to be deleted.

    Raises:
        KeyMissing: KMS does not tell this site.
        KeyUnavailable: KMS does not answer now.
    """
    try:
        aws.client("kms", arn).describe_key(KeyId=arn)
    except (BotoCoreError, ClientError) as exc:
        if aws.error_code(exc) == "NotFoundException":
            return True
        raise _refusal(exc, arn) from exc
    return False


def _context(key_id: uuid.UUID) -> dict[str, str]:
    region, account = settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID
    vault = f"arn:aws:bedrock-agentcore:{region}:{account}:token-vault/default"
    return {"token-vault-arn": vault, "data-key": str(key_id)}


def _refusal(exc: BotoCoreError | ClientError, arn: str) -> KeyMissing | KeyUnavailable:
    refusal = KeyUnavailable if aws.is_transient(exc) else KeyMissing
    return refusal(arn, because=aws.error_code(exc))
