"""A small site behind the wire API: some operations over a dict, two access keys."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from core.errors import Conflict, Forbidden, NotFound
from core.secret import Secret
from core.wire import sigv4
from core.wire.app import Call, Operation, WireApp
from core.wire.canonical import SignedRequest
from tests.core.wire.signing import KEY_ID, REGION, SECRET, SERVICE

AGENT_KEY_ID = "AKIDDAIKO0000000AGENT"
AGENT_SECRET = Secret("of the agent alone")
KEYS = {KEY_ID: SECRET, AGENT_KEY_ID: AGENT_SECRET}
CREATED = datetime(2026, 11, 22, 12, 30, 15, 250_000, tzinfo=UTC)


@dataclass(frozen=True)
class SampleCaller:
    access_key_id: str
    is_operator: bool


SampleCall = Call[SampleCaller]


async def authenticate(request: SignedRequest, _operation: str) -> SampleCaller:
    unverified = sigv4.parse(request, at=timezone.now(), region=REGION, service=SERVICE)
    verified = sigv4.check(unverified, KEYS.get(unverified.access_key_id))
    return SampleCaller(verified.access_key_id, verified.access_key_id == KEY_ID)


def anybody(call: SampleCall) -> None:
    """Let every authenticated caller through."""


def operator_only(call: SampleCall) -> None:
    if not call.caller.is_operator:
        raise Forbidden("Only an operator may do this.")


@dataclass
class Sample:
    """What the handlers know, and every call that reached one of them."""

    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[SampleCall] = field(default_factory=list)

    def create(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        name = call.input["name"]
        if name in self.identities:
            raise Conflict(f"There is a workload identity {name} already.")
        urls = call.input.get("allowedResourceOauth2ReturnUrls", [])
        self.identities[name] = {
            "name": name,
            "workloadIdentityArn": f"arn:aws:bedrock-agentcore:::workload-identity/{name}",
            "allowedResourceOauth2ReturnUrls": urls,
        }
        return self.identities[name]

    def get(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        if call.input["name"] not in self.identities:
            raise NotFound
        times = {"createdTime": CREATED, "lastUpdatedTime": CREATED}
        return self.identities[call.input["name"]] | times

    async def access_token(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        return {"workloadAccessToken": Secret(f"wat-of-{call.input['workloadName']}")}

    async def resource_token(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        if "sessionUri" in call.input:
            return {"accessToken": Secret("at-of-alice")}
        return {
            "authorizationUrl": Secret("https://daiko.example/identities/oauth2/authorize?x=1"),
            "sessionUri": "urn:ietf:params:oauth:request_uri:abc",
            "sessionStatus": "IN_PROGRESS",
        }

    async def complete(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        return {}

    async def list_tags(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        return {"tags": {"of": call.input["resourceArn"]}}

    async def untag(self, call: SampleCall) -> dict[str, Any]:
        self.calls.append(call)
        return {}

    def operations(self) -> list[Operation[SampleCaller]]:
        return [
            Operation("CreateWorkloadIdentity", self.create, guard=operator_only),
            Operation("GetWorkloadIdentity", self.get, guard=anybody),
            Operation("GetWorkloadAccessToken", self.access_token, guard=anybody),
            Operation("GetResourceOauth2Token", self.resource_token, guard=anybody),
            Operation("CompleteResourceTokenAuth", self.complete, guard=anybody),
            Operation("ListTagsForResource", self.list_tags, guard=anybody),
            Operation("UntagResource", self.untag, guard=anybody),
        ]

    def app(self) -> WireApp[SampleCaller]:
        return WireApp(self.operations(), authenticate=authenticate)
