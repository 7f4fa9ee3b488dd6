"""The wire API as boto3 finds it: real clients and the site's own server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import boto3
import pytest
import time_machine
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from core.secret import Secret
from core.wire import model
from core.wire.app import MAX_BODY_BYTES
from tests.core.wire import inputs
from tests.core.wire.sample import AGENT_KEY_ID, AGENT_SECRET, CREATED, Sample
from tests.core.wire.serving import served
from tests.core.wire.signing import KEY_ID, REGION, SECRET, SERVICE

Service = Literal["bedrock-agentcore", "bedrock-agentcore-control"]
OPERATIONS = [
    "CreateWorkloadIdentity",
    "GetWorkloadIdentity",
    "GetWorkloadAccessToken",
    "GetResourceOauth2Token",
    "CompleteResourceTokenAuth",
    "ListTagsForResource",
    "UntagResource",
]
ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:workload-identity-directory/default"
TOKEN_REQUEST = {
    "workloadIdentityToken": "wat",
    "resourceCredentialProviderName": "acme",
    "scopes": ["calendar.read"],
    "oauth2Flow": "USER_FEDERATION",
}


@pytest.fixture(scope="module")
def shared_sample() -> Sample:
    return Sample()


@pytest.fixture(scope="module")
def url(shared_sample: Sample) -> Iterator[str]:
    with served(shared_sample.app()) as url:
        yield url


@pytest.fixture
def sample(shared_sample: Sample) -> Sample:
    shared_sample.identities.clear()
    shared_sample.calls.clear()
    return shared_sample


def client(service: Service, url: str, *, key_id: str = KEY_ID, secret: Secret = SECRET) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret.reveal(),
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@pytest.fixture
def control(url: str, sample: Sample) -> Any:
    return client("bedrock-agentcore-control", url)


@pytest.fixture
def data(url: str, sample: Sample) -> Any:
    return client("bedrock-agentcore", url)


def send(url: str, request: inputs.HttpRequest, *, at: datetime | None = None) -> AWSResponse:
    """Send a request that boto3 would not build, signed by botocore."""
    aws = AWSRequest(method=request.method, url=url + request.target, data=request.body)
    for name, value in request.headers:
        aws.headers[name] = value
    signer = SigV4Auth(Credentials(KEY_ID, SECRET.reveal()), SERVICE, REGION)
    with time_machine.travel(at or datetime.now(UTC)):
        signer.add_auth(aws)
    return URLLib3Session().send(aws.prepare())


# --- what works ----------------------------------------------------------------------------------


def test_a_workload_identity_is_created_and_read_back(control: Any, sample: Sample) -> None:
    urls = ["https://chat.example/connections/"]

    created = control.create_workload_identity(
        name="concierge", allowedResourceOauth2ReturnUrls=urls, tags={"team": "a"}
    )
    found = control.get_workload_identity(name="concierge")

    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert found["workloadIdentityArn"] == created["workloadIdentityArn"]
    assert found["allowedResourceOauth2ReturnUrls"] == urls
    assert found["createdTime"] == CREATED
    assert [call.caller.access_key_id for call in sample.calls] == [KEY_ID, KEY_ID]
    assert sample.calls[0].input == {
        "name": "concierge",
        "allowedResourceOauth2ReturnUrls": urls,
        "tags": {"team": "a"},
    }


def test_a_workload_access_token_is_given(data: Any) -> None:
    answer = data.get_workload_access_token(workloadName="concierge")

    assert answer["workloadAccessToken"] == "wat-of-concierge"


def test_a_resource_token_comes_after_an_authorization_url(data: Any, sample: Sample) -> None:
    first = data.get_resource_oauth2_token(**TOKEN_REQUEST)
    second = data.get_resource_oauth2_token(**TOKEN_REQUEST, sessionUri=first["sessionUri"])

    assert first["authorizationUrl"].startswith("https://daiko.example/identities/oauth2/")
    assert first["sessionStatus"] == "IN_PROGRESS"
    assert "accessToken" not in first
    assert second["accessToken"] == "at-of-alice"
    assert sample.calls[0].input["workloadIdentityToken"] == Secret("wat")


def test_a_consent_session_is_completed(data: Any, sample: Sample) -> None:
    data.complete_resource_token_auth(
        userIdentifier={"userToken": "eyJ0eXAi.e30.c2ln"},
        sessionUri="urn:ietf:params:oauth:request_uri:abc",
    )

    assert sample.calls[0].input["userIdentifier"] == {"userToken": Secret("eyJ0eXAi.e30.c2ln")}


def test_an_arn_in_the_path_and_a_list_in_the_query_arrive(control: Any, sample: Sample) -> None:
    listed = control.list_tags_for_resource(resourceArn=ARN)
    untagged = control.untag_resource(resourceArn=ARN, tagKeys=["b c", "a+=/:"])

    assert listed["tags"] == {"of": ARN}
    assert untagged["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert sample.calls[1].input == {"resourceArn": ARN, "tagKeys": ["b c", "a+=/:"]}


def test_every_answer_has_an_id_of_its_own_and_is_never_stored(data: Any, sample: Sample) -> None:
    answers = [data.get_workload_access_token(workloadName="abc") for _ in range(2)]

    metadata = [answer["ResponseMetadata"] for answer in answers]
    ids = [one["RequestId"] for one in metadata]
    assert len(set(ids)) == 2
    assert ids == [call.request_id for call in sample.calls]
    assert {one["HTTPHeaders"]["cache-control"] for one in metadata} == {"no-store"}
    assert sample.calls[0].client_ip == "127.0.0.1"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_takes_its_valid_inputs(name: str, url: str, sample: Sample) -> None:
    operation = model.operations()[name]

    for sent in (inputs.valid(operation), inputs.smallest(operation)):
        sample.identities.clear()
        send(url, inputs.to_http(operation, sent))

    assert [call.operation for call in sample.calls] == [name, name]


# --- what is refused -----------------------------------------------------------------------------


def refused(action: Any, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        action(**arguments)
    return cast(dict[str, Any], caught.value.response)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_broken_rule_is_refused_with_its_field(name: str, url: str, sample: Sample) -> None:
    operation = model.operations()[name]
    broken = inputs.breaking(operation)
    assert broken

    for rule, field, sent in broken:
        answer = send(url, inputs.to_http(operation, sent))
        body = json.loads(answer.content)
        assert (answer.status_code, answer.headers["x-amzn-errortype"], body["reason"]) == (
            400,
            "ValidationException",
            "FieldValidationFailed",
        ), (rule, field)
        assert [found["name"] for found in body["fieldList"]] == [field], rule

    assert sample.calls == []


def test_boto3_raises_the_modelled_exception_with_its_fields(control: Any, sample: Sample) -> None:
    with pytest.raises(control.exceptions.ValidationException) as caught:
        control.create_workload_identity(name="ab")

    said = (
        "Value at 'name' failed to satisfy constraint: "
        "Member must have length greater than or equal to 3"
    )
    response = caught.value.response
    assert response["fieldList"] == [{"name": "name", "message": said}]
    assert response["Error"]["Message"] == f"1 validation error detected: {said}"
    assert sample.calls == []


def test_errors_of_handlers_arrive_under_their_names(control: Any) -> None:
    control.create_workload_identity(name="concierge")

    twice = refused(control.create_workload_identity, name="concierge")
    missing = refused(control.get_workload_identity, name="greeter")

    assert twice["Error"]["Code"] == "ConflictException"
    assert twice["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert missing["Error"]["Code"] == "ResourceNotFoundException"
    assert missing["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_the_guard_refuses_an_agent_what_is_an_operators(url: str, sample: Sample) -> None:
    agent = client("bedrock-agentcore-control", url, key_id=AGENT_KEY_ID, secret=AGENT_SECRET)

    answer = refused(agent.create_workload_identity, name="concierge")

    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert (sample.calls, sample.identities) == ([], {})


def test_a_wrong_secret_is_refused(url: str, sample: Sample) -> None:
    stranger = client("bedrock-agentcore", url, secret=Secret("a guess"))

    answer = refused(stranger.get_workload_access_token, workloadName="concierge")

    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert "does not match the signature" in answer["Error"]["Message"]
    assert sample.calls == []


def test_an_unknown_access_key_is_refused(url: str, sample: Sample) -> None:
    stranger = client("bedrock-agentcore", url, key_id="AKIDNOBODY")

    answer = refused(stranger.get_workload_access_token, workloadName="concierge")

    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert answer["Error"]["Message"] == "The security token included in the request is invalid."
    assert sample.calls == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_wrong_is_refused_and_named(minutes: int, url: str, sample: Sample) -> None:
    operation = model.operations()["GetWorkloadAccessToken"]
    request = inputs.to_http(operation, inputs.valid(operation))

    answer = send(url, request, at=datetime.now(UTC) + timedelta(minutes=minutes))

    assert answer.status_code == 403
    assert "clock" in json.loads(answer.content)["message"]
    assert sample.calls == []


def test_a_body_changed_on_the_way_is_refused(data: Any, sample: Sample) -> None:
    def tamper(request: AWSPreparedRequest, **_: Any) -> None:
        assert isinstance(request.body, bytes)
        request.body = request.body.replace(b"concierge", b"housemaid")

    data.meta.events.register("before-send.*.*", tamper)

    answer = refused(data.get_workload_access_token, workloadName="concierge")

    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert sample.calls == []


def test_a_body_that_is_too_large_is_refused(data: Any, sample: Sample) -> None:
    answer = refused(data.get_workload_access_token, workloadName="a" * 4 * MAX_BODY_BYTES)

    assert answer["Error"]["Code"] == "ValidationException"
    assert answer["reason"] == "CannotParse"
    assert sample.calls == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"workloadName": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes, url: str, sample: Sample) -> None:
    request = inputs.HttpRequest("POST", "/identities/GetWorkloadAccessToken", [], body)

    answer = send(url, request)

    assert (answer.status_code, json.loads(answer.content)["reason"]) == (400, "CannotParse")
    assert sample.calls == []


def test_an_operation_that_is_not_implemented_says_so(data: Any) -> None:
    answer = refused(
        data.get_resource_api_key, workloadIdentityToken="w", resourceCredentialProviderName="a"
    )

    assert answer["Error"]["Code"] == "UnknownOperationException"
    assert answer["Error"]["Message"] == "This site does not serve the operation GetResourceApiKey."
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
