"""Resource policies and tags by boto3 as it is, and what policies do to workload access tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from agents import policies, services
from agents.keys import access_keys, verification
from agents.models import ResourcePolicy, ResourceTag, WorkloadIdentity
from core.models import AuditEvent
from core.wire.app import WireApp
from portal.wire import OPERATIONS
from tests.agents.conftest import ADMIN, make_agent, recorded
from tests.core.wire.serving import served
from tests.fixtures.issuer import Issuer

pytestmark = pytest.mark.usefixtures("db")
Client = Any
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny", "Sid": "Never"}
CLAIM = "bedrock-agentcore:InboundJwtClaim"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(WireApp(OPERATIONS, authenticate=verification.authenticate)) as running:
        yield running


@pytest.fixture
def batch(db: None) -> WorkloadIdentity:
    return services.workload_identity_create(name="batch", actor=ADMIN)


@pytest.fixture
def client_of(url: str) -> Callable[..., Client]:
    """Make clients that sign with a fresh key: an operator's, or one bound to an identity."""

    def make(identity: WorkloadIdentity | None, plane: str = "", **about: Any) -> Client:
        key, secret = access_keys.access_key_create(
            label="test", workload_identity=identity, actor=ADMIN, **about
        )
        connect: Any = boto3.client
        return connect(
            f"bedrock-agentcore{plane}",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=secret.reveal(),
            config=Config(retries={"total_max_attempts": 1}),
        )

    return make


@pytest.fixture
def control(client_of: Callable[..., Client]) -> Client:
    return client_of(None, "-control")


def put(control: Client, arn: str, *statements: Any) -> str:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    answer = control.put_resource_policy(resourceArn=arn, policy=text)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    policies.forget()
    return str(answer["policy"])


def refusal(call: Callable[..., Any], **asked: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**asked)
    error, answer = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return answer["HTTPStatusCode"], error["Code"], error["Message"]


def test_a_policy_is_put_read_and_deleted(control: Client, batch: WorkloadIdentity) -> None:
    text = put(control, batch.arn, DENY)
    assert control.get_resource_policy(resourceArn=batch.arn)["policy"] == text
    put(control, batch.arn, ALLOW)
    assert ResourcePolicy.objects.count() == 1

    answer = control.delete_resource_policy(resourceArn=batch.arn)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "policy" not in control.get_resource_policy(resourceArn=batch.arn)


def test_what_is_not_supported_is_named_and_nothing_is_stored(
    control: Client, batch: WorkloadIdentity
) -> None:
    status, code, message = refusal(
        control.put_resource_policy,
        resourceArn=batch.arn,
        policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {**DENY, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
            }
        ),
    )

    assert (status, code) == (400, "ValidationException")
    assert "the key aws:SourceVpc is not supported" in message
    assert not ResourcePolicy.objects.exists()


def test_an_agents_key_neither_puts_nor_reads_policies_nor_tags(
    client_of: Callable[..., Client], batch: WorkloadIdentity
) -> None:
    client = client_of(batch, "-control")
    calls: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = (
        (client.put_resource_policy, {"policy": "{}"}),
        (client.get_resource_policy, {}),
        (client.delete_resource_policy, {}),
        (client.tag_resource, {"tags": {"a": "b"}}),
        (client.untag_resource, {"tagKeys": ["a"]}),
        (client.list_tags_for_resource, {}),
    )
    for call, asked in calls:
        assert refusal(call, resourceArn=batch.arn, **asked)[:2] == (403, "AccessDeniedException")
    assert not ResourcePolicy.objects.exists()
    assert not ResourceTag.objects.exists()


def test_a_denied_token_is_not_issued_and_the_trail_has_the_statement(
    control: Client, client_of: Callable[..., Client], batch: WorkloadIdentity
) -> None:
    put(control, batch.arn, ALLOW, {**DENY, "Action": "bedrock-agentcore:GetWorkloadAccessToken"})
    own = client_of(batch)

    status, code, message = refusal(own.get_workload_access_token, workloadName="batch")

    assert (status, code) == (403, "AccessDeniedException")
    assert "bedrock-agentcore:GetWorkloadAccessToken on resource: " + batch.arn in message
    assert "explicit deny" in message
    assert "Never" not in message
    assert recorded()[-1] == ("workload.token.issued", "refused", "policy_denied")
    detail = AuditEvent.objects.latest("pk").detail
    assert (detail["statement"], detail["policy_of"]) == ("Never", batch.arn)
    own.get_workload_access_token_for_user_id(workloadName="batch", userId="customer-7")


def test_a_user_id_is_a_condition(
    control: Client, client_of: Callable[..., Client], batch: WorkloadIdentity
) -> None:
    named = {"StringLike": {"bedrock-agentcore:userid": "customer-*"}}
    put(control, batch.arn, {**ALLOW, "Condition": named})
    own = client_of(batch)

    own.get_workload_access_token_for_user_id(workloadName="batch", userId="customer-7")
    refused = refusal(
        own.get_workload_access_token_for_user_id, workloadName="batch", userId="boss"
    )

    assert refused[0] == 403
    assert "no statement" in refused[2]


def test_what_a_persons_token_says_is_a_condition(
    control: Client,
    client_of: Callable[..., Client],
    batch: WorkloadIdentity,
    issuer: Issuer,
    settings: Any,
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    own = client_of(batch)
    token = issuer.token(
        sub="alice", aud=["other", "agents"], client_id="portal", scope="openid agents:call"
    )
    asked = {"workloadName": "batch", "userToken": token}
    said = {"iss": issuer.url, "sub": "alice", "aud": "agents", "client_id": "portal"}
    for claim, value in {**said, "scope": "agents:call"}.items():
        for wanted in (value, f"{value}x"):
            condition = {"StringEquals": {f"{CLAIM}/{claim}": wanted}}
            put(control, batch.arn, {**ALLOW, "Condition": condition})
            if wanted == value:
                assert own.get_workload_access_token_for_jwt(**asked)["workloadAccessToken"]
            else:
                assert refusal(own.get_workload_access_token_for_jwt, **asked)[0] == 403, claim


def test_a_policy_against_everybody_is_repaired_by_the_operator(
    control: Client, client_of: Callable[..., Client], batch: WorkloadIdentity
) -> None:
    put(control, batch.arn, DENY)
    operator = client_of(None)
    assert refusal(operator.get_workload_access_token, workloadName="batch")[0] == 403

    put(control, batch.arn, ALLOW)
    operator.get_workload_access_token(workloadName="batch")
    control.delete_resource_policy(resourceArn=batch.arn)


def test_a_key_for_tokens_alone_cannot_change_policies(
    client_of: Callable[..., Client], batch: WorkloadIdentity
) -> None:
    limited = client_of(None, "-control", operations=["GetResourcePolicy"])

    assert "policy" not in limited.get_resource_policy(resourceArn=batch.arn)
    refused = refusal(limited.put_resource_policy, resourceArn=batch.arn, policy="{}")

    assert refused[:2] == (403, "AccessDeniedException")
    assert "PutResourcePolicy" in refused[2]
    assert recorded()[-1] == ("wire.call", "refused", "operation_not_allowed")


def test_tags_are_added_listed_and_removed(control: Client, batch: WorkloadIdentity) -> None:
    agent = make_agent("a")
    for arn in (batch.arn, agent.arn):
        put_ = control.tag_resource(resourceArn=arn, tags={"team": "a b", "cost/centre": ""})
        assert put_["ResponseMetadata"]["HTTPStatusCode"] == 204
        control.tag_resource(resourceArn=arn, tags={"team": "c"})
        tags = control.list_tags_for_resource(resourceArn=arn)["tags"]
        assert tags == {"team": "c", "cost/centre": ""}

        answer = control.untag_resource(resourceArn=arn, tagKeys=["cost/centre", "none"])

        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert control.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "c"}
    assert [action for action, *_ in recorded()][-3:] == [
        "admin.tags.added",
        "admin.tags.added",
        "admin.tags.removed",
    ]


def test_a_resource_has_fifty_tags_at_most(control: Client, batch: WorkloadIdentity) -> None:
    many = {f"key-{number}": "v" for number in range(50)}
    control.tag_resource(resourceArn=batch.arn, tags=many)
    control.tag_resource(resourceArn=batch.arn, tags={"key-0": "w"})

    refused = refusal(control.tag_resource, resourceArn=batch.arn, tags={"one-more": "v"})

    assert refused[:2] == (402, "ServiceQuotaExceededException")
    assert control.list_tags_for_resource(resourceArn=batch.arn)["tags"] == {**many, "key-0": "w"}


def test_tags_of_aws_and_of_nothing_are_refused(control: Client, batch: WorkloadIdentity) -> None:
    reserved = refusal(control.tag_resource, resourceArn=batch.arn, tags={"aws:team": "a"})
    assert reserved[:2] == (400, "ValidationException")
    gone = refusal(control.tag_resource, resourceArn=batch.arn + "x", tags={"a": "b"})
    assert gone[:2] == (404, "ResourceNotFoundException")
    assert not ResourceTag.objects.exists()


def test_tags_go_with_their_resource(control: Client, batch: WorkloadIdentity) -> None:
    control.tag_resource(resourceArn=batch.arn, tags={"a": "b"})

    control.delete_workload_identity(name="batch")

    assert not ResourceTag.objects.exists()
