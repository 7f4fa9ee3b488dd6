"""Amazon Resource Names, as this site writes and reads them."""

from __future__ import annotations

from django.conf import settings

_SERVICE, _MODELLED_SERVICE = "bedrock-agentcore", "acps"


def site_arn(resource: str) -> str:
    """Return the ARN of something of this site, or with an empty string how all of them begin."""
    region, account = settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID
    return f"arn:aws:{_SERVICE}:{region}:{account}:{resource}"


def runtime_arn(agent_id: str) -> str:
    """Return the ARN of an agent."""
    return site_arn(f"runtime/{agent_id}")


def workload_identity_arn(name: str) -> str:
    """Return the ARN of a workload identity."""
    return site_arn(f"workload-identity-directory/default/workload-identity/{name}")


def secret_arn(secret_id: str) -> str:
    """Return the ARN that a secret of AWS Secrets Manager has, or would have, in this account."""
    if secret_id.startswith("arn:"):
        return secret_id
    region, account = settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{secret_id}"


def unassumed_role_arn() -> str:
    """Return what stands for an agent's role in answers that want one, where none was given."""
    return f"arn:aws:iam::{settings.DAIKO_ACCOUNT_ID}:role/none"


def endpoint_arn(agent_id: str, endpoint: str) -> str:
    """Return the ARN of a name under which an agent is called."""
    return site_arn(f"runtime/{agent_id}/runtime-endpoint/{endpoint}")


def token_vault_arn() -> str:
    """Return the ARN of the one token vault."""
    return site_arn("token-vault/default")


def oauth2_provider_arn(name: str) -> str:
    """Return the ARN of an OAuth2 credential provider."""
    return f"{token_vault_arn()}/oauth2credentialprovider/{name}"


def api_key_provider_arn(name: str) -> str:
    """Return the ARN of an API key credential provider."""
    return f"{token_vault_arn()}/apikeycredentialprovider/{name}"


def as_modelled(provider_arn: str) -> str:
    """Return the ARN of a credential provider as AWS's model has it in answers.

    There its service is `acps`; in the operations that take ARNs, and in AWS's documentation, it is
    `bedrock-agentcore`. Whichever a caller names, it is one resource: see `as_documented`.
    """
    return _of_service(provider_arn, _SERVICE, _MODELLED_SERVICE)


def as_documented(arn: str) -> str:
    """Return the ARN, or the pattern of ARNs, by which policies and tags are kept."""
    return _of_service(arn, _MODELLED_SERVICE, _SERVICE)


def _of_service(arn: str, service: str, other: str) -> str:
    head, separator, rest = arn.partition(f":{service}:")
    is_service = separator and head.startswith("arn:") and head.count(":") == 1
    return f"{head}:{other}:{rest}" if is_service else arn


def agent_id_of(arn_or_id: str) -> str | None:
    """Return the agent id that a caller names by ARN or by the id itself; None: not one of ours."""
    if not arn_or_id.startswith("arn:"):
        return arn_or_id
    prefix = site_arn("runtime/")
    return arn_or_id[len(prefix) :] if arn_or_id.startswith(prefix) else None
