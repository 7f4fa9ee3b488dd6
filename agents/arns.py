"""Amazon Resource Names, as this site writes and reads them."""

from __future__ import annotations

from django.conf import settings


def _arn(resource: str) -> str:
    region, account = settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID
    return f"arn:aws:bedrock-agentcore:{region}:{account}:{resource}"


def runtime_arn(agent_id: str) -> str:
    """Return the ARN of an agent."""
    return _arn(f"runtime/{agent_id}")


def workload_identity_arn(name: str) -> str:
    """Return the ARN of a workload identity."""
    return _arn(f"workload-identity-directory/default/workload-identity/{name}")


def secret_arn(secret_id: str) -> str:
    """Return the ARN that a secret of AWS Secrets Manager has, or would have, in this account."""
    if secret_id.startswith("arn:"):
        return secret_id
    region, account = settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{secret_id}"


def agent_id_of(arn_or_id: str) -> str | None:
    """Return the agent id that a caller names by ARN or by the id itself; None: not one of ours."""
    if not arn_or_id.startswith("arn:"):
        return arn_or_id
    prefix = _arn("runtime/")
    return arn_or_id[len(prefix) :] if arn_or_id.startswith(prefix) else None
