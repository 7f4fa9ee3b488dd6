"""The AgentCore runtimes of an AWS account, as AWS describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from agents.aws.errors import AwsRefused, refusal
from agents.aws.places import DEFAULT_QUALIFIER, Place, place_at
from core import aws

_CONTROL: Final = "bedrock-agentcore-control"
_GONE = "ResourceNotFoundException"
_ARN_PARTS = 6


@dataclass(frozen=True, slots=True)
class Runtime:
    """What AWS says of a runtime, or of the version that one of its endpoints serves."""

    place: Place
    name: str
    description: str
    version: str
    status: str
    protocol: str
    jwt_authorizer: Mapping[str, Any] | None  # None: callers sign (SigV4)
    header_allowlist: tuple[str, ...]
    idle_s: int | None
    lifetime_s: int | None


def runtimes_in(region: str) -> list[Runtime]:
    """Return the runtimes of this site's AWS account in a region, by name. Asks AWS for each.

    Raises:
        AwsRefused: AWS cannot be asked, or answers with what is none of its ARNs.
    """
    try:
        client = aws.client_in(region, _CONTROL)
        found = [_runtime(client, listed) for listed in _listed(client)]
    except (BotoCoreError, ClientError) as exc:
        raise refusal(exc) from exc
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def runtime_at(place: Place) -> Runtime | None:
    """Return what AWS says now of the runtime at a place; None: there is none. Asks AWS.

    Raises:
        AwsRefused: AWS cannot be asked.
    """
    try:
        client = aws.client_in(place.region, _CONTROL)
        found = _described(client, place.runtime_id, _version_of(client, place))
    except (BotoCoreError, ClientError) as exc:
        if aws.error_code(exc) == _GONE:
            return None
        raise refusal(exc) from exc
    runtime = _read(found)
    if runtime.place.account != place.account:
        return None  # another account's: an id says nothing of the account
    return replace(runtime, place=place)


def _listed(client: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_agent_runtimes").paginate():
        yield from page["agentRuntimes"]


def _runtime(client: Any, listed: Mapping[str, Any]) -> Runtime | None:
    try:
        return _read(_described(client, listed["agentRuntimeId"], None))
    except ClientError as exc:
        if aws.error_code(exc) == _GONE:
            return None  # deleted since it was listed
        raise


def _described(client: Any, runtime_id: str, version: str | None) -> Mapping[str, Any]:
    asked = {"agentRuntimeVersion": version} if version else {}
    answer: Mapping[str, Any] = client.get_agent_runtime(agentRuntimeId=runtime_id, **asked)
    return answer


def _version_of(client: Any, place: Place) -> str | None:
    """Return the version that an endpoint serves; None: the newest, as `DEFAULT` does."""
    if place.qualifier == DEFAULT_QUALIFIER:
        return None
    endpoint = client.get_agent_runtime_endpoint(
        agentRuntimeId=place.runtime_id, endpointName=place.qualifier
    )
    served: str | None = endpoint.get("liveVersion") or endpoint.get("targetVersion")
    return served


def _read(answer: Mapping[str, Any]) -> Runtime:
    authorizer = answer.get("authorizerConfiguration") or {}
    lifecycle = answer.get("lifecycleConfiguration") or {}
    headers = (answer.get("requestHeaderConfiguration") or {}).get("requestHeaderAllowlist")
    return Runtime(
        place=_place(answer["agentRuntimeArn"], answer["agentRuntimeId"]),
        name=answer["agentRuntimeName"],
        description=answer.get("description") or "",
        version=answer["agentRuntimeVersion"],
        status=answer["status"],
        protocol=(answer.get("protocolConfiguration") or {}).get("serverProtocol") or "HTTP",
        jwt_authorizer=authorizer.get("customJWTAuthorizer"),
        header_allowlist=tuple(headers or ()),
        idle_s=lifecycle.get("idleRuntimeSessionTimeout"),
        lifetime_s=lifecycle.get("maxLifetime"),
    )


def _place(arn: str, runtime_id: str) -> Place:
    """Return where a runtime is: the owner is the ARN's, and it is called by its id.

    The ARN itself has been written in more than one way, and with the version in it.
    """
    parts = arn.split(":", _ARN_PARTS - 1)
    owner = ":".join(parts[: _ARN_PARTS - 1])
    place = place_at(f"{owner}:runtime/{runtime_id}")
    if place is None:
        raise AwsRefused(f"AWS names a runtime that has no such name: {arn[:200]}", because="arn")
    return place
