"""Workload identities and their tokens, asked for by boto3 as it is, over the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.db import connection

from agents import services, workload
from agents.keys import access_keys, verification
from agents.models import AccessKey, Agent, WorkloadIdentity
from agents.people import person_switch
from agents.workload import VerifiedWorkload
from core.models import AuditEvent, User
from core.secret import Secret
from core.subject import Subject
from core.wire.app import WireApp
from portal.wire import OPERATIONS
from tests.agents.conftest import ADMIN, make_agent, person, recorded
from tests.core.wire.serving import served
from tests.fixtures.issuer import Issuer, signing_key

pytestmark = pytest.mark.usefixtures("db")
Client = Any
ClientFor = Callable[[WorkloadIdentity | None], Client]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(WireApp(OPERATIONS, authenticate=verification.authenticate)) as running:
        yield running


@pytest.fixture
def client_for(url: str, db: None) -> ClientFor:
    """Make clients that sign with a fresh key: an operator's, or one bound to an identity."""

    def make(identity: WorkloadIdentity | None, plane: str = "bedrock-agentcore") -> Client:
        key, secret = access_keys.access_key_create(
            label="test", workload_identity=identity, actor=ADMIN
        )
        return _client(url, key, secret, plane)

    return make


def _client(url: str, key: AccessKey, secret: Secret, plane: str = "bedrock-agentcore") -> Client:
    connect: Any = boto3.client  # its stubs want the service's name as a literal
    return connect(
        plane,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=secret.reveal(),
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def operator(client_for: ClientFor) -> Client:
    return client_for(None)


@pytest.fixture
def control(client_for: Any) -> Client:
    """An operator's client of the control plane."""
    return client_for(None, "bedrock-agentcore-control")


@pytest.fixture
def batch(db: None) -> WorkloadIdentity:
    """An identity that belongs to no agent."""
    return services.workload_identity_create(name="batch", actor=ADMIN)


def refused(call: Callable[..., Any], **asked: Any) -> tuple[str, str]:
    """Call what is refused; return the error's AWS name and the reason on record."""
    with pytest.raises(ClientError) as caught:
        call(**asked)
    action, outcome, reason = recorded()[-1]
    assert (action, outcome) == ("workload.token.issued", "refused")
    return caught.value.response["Error"]["Code"], reason


def issued(answer: dict[str, Any]) -> VerifiedWorkload:
    assert recorded()[-1] == ("workload.token.issued", "allowed", "")
    return workload.read(answer["workloadAccessToken"])


def test_an_identity_is_created_and_read(control: Client) -> None:
    urls = ["https://app.example/done"]

    made = control.create_workload_identity(name="batch", allowedResourceOauth2ReturnUrls=urls)

    read = control.get_workload_identity(name="batch")
    for answer in (made, read):
        assert answer["name"] == "batch"
        assert answer["workloadIdentityArn"].endswith("/workload-identity/batch")
        assert answer["allowedResourceOauth2ReturnUrls"] == urls
    stored = WorkloadIdentity.objects.get()
    assert read["createdTime"].timestamp() == pytest.approx(stored.created_at.timestamp(), abs=1)
    event = AuditEvent.objects.get(action="admin.workload_identity.created")
    assert event.actor == AccessKey.objects.get().access_key_id


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": "taken"}, "ConflictException"),
        ({"name": "a b c"}, "ValidationException"),
        (
            {"name": "new", "allowedResourceOauth2ReturnUrls": ["javascript:alert(1)"]},
            "ValidationException",
        ),
    ],
)
def test_an_identity_that_cannot_be_is_not_created(
    control: Client, asked: dict[str, Any], code: str
) -> None:
    services.workload_identity_create(name="taken", actor=ADMIN)

    with pytest.raises(ClientError) as caught:
        control.create_workload_identity(**asked)

    assert caught.value.response["Error"]["Code"] == code
    assert [identity.name for identity in WorkloadIdentity.objects.all()] == ["taken"]


def test_an_agents_key_creates_no_identity_and_reads_its_own_alone(
    client_for: Any, batch: WorkloadIdentity
) -> None:
    other = services.workload_identity_create(name="other", actor=ADMIN)
    client = client_for(batch, "bedrock-agentcore-control")

    assert client.get_workload_identity(name="batch")["name"] == "batch"
    messages = []
    for call, name in (
        (client.create_workload_identity, "new"),
        (client.get_workload_identity, other.name),
        (client.get_workload_identity, "no-such"),
    ):
        with pytest.raises(ClientError) as caught:
            call(name=name)
        error = caught.value.response["Error"]
        assert error["Code"] == "AccessDeniedException"
        messages.append(error["Message"].replace(name, "NAME"))
    assert messages[1] == messages[2]  # whether it exists is not told
    assert WorkloadIdentity.objects.count() == 2


def test_an_identity_that_is_not_there_is_not_found(control: Client) -> None:
    with pytest.raises(ClientError) as caught:
        control.get_workload_identity(name="no-such")

    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("own", [True, False])
def test_a_token_for_itself(client_for: ClientFor, batch: WorkloadIdentity, own: bool) -> None:
    client = client_for(batch if own else None)

    verified = issued(client.get_workload_access_token(workloadName="batch"))

    assert (verified.workload_id, verified.workload_name) == (batch.pk, "batch")
    assert verified.subject is None
    event = AuditEvent.objects.latest("pk")
    assert (event.workload, event.client) == ("batch", AccessKey.objects.get().access_key_id)
    assert event.detail == {"operation": "GetWorkloadAccessToken"}


def test_a_token_for_whom_the_caller_names(operator: Client, batch: WorkloadIdentity) -> None:
    asked = {"workloadName": "batch", "userId": "customer 7"}

    verified = issued(operator.get_workload_access_token_for_user_id(**asked))

    assert verified.subject == Subject.opaque("customer 7")
    assert AuditEvent.objects.latest("pk").subject_sub == "customer 7"


def test_a_user_id_cannot_name_a_person_who_signed_in(
    operator: Client, batch: WorkloadIdentity, alice: User
) -> None:
    for user_id in (alice.sub, alice.subject.owner, f"{alice.iss}|{alice.sub}"):
        asked = {"workloadName": "batch", "userId": user_id}
        verified = issued(operator.get_workload_access_token_for_user_id(**asked))

        assert verified.subject != alice.subject


def test_a_token_for_the_person_of_a_trusted_token(
    operator: Client, batch: WorkloadIdentity, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    asked = {"workloadName": "batch", "userToken": issuer.token(sub="bob")}

    verified = issued(operator.get_workload_access_token_for_jwt(**asked))

    assert verified.subject == Subject(issuer.url, "bob")


Asked = dict[str, dict[str, Any]]


@pytest.fixture
def every(issuer: Issuer) -> Asked:
    """What to ask for each of the three tokens."""
    return {
        "get_workload_access_token": {},
        "get_workload_access_token_for_user_id": {"userId": "customer-7"},
        "get_workload_access_token_for_jwt": {"userToken": issuer.token()},
    }


def test_an_agents_key_gets_no_token_of_another_identity(
    client_for: ClientFor, batch: WorkloadIdentity, every: Asked
) -> None:
    other = services.workload_identity_create(name="other", actor=ADMIN)
    client = client_for(batch)

    for operation, asked in every.items():
        for name in (other.name, "no-such"):
            call = getattr(client, operation)
            assert refused(call, workloadName=name, **asked) == (
                "AccessDeniedException",
                "foreign_workload",
            )


def test_an_identity_that_is_switched_off_gets_no_token(
    operator: Client, batch: WorkloadIdentity, every: Asked
) -> None:
    services.workload_identity_switch(identity=batch, enabled=False, actor=ADMIN)

    for operation, asked in every.items():
        assert refused(getattr(operator, operation), workloadName="batch", **asked) == (
            "AccessDeniedException",
            "workload_disabled",
        )


def test_an_agent_that_is_switched_off_gets_no_token(
    operator: Client, concierge: Agent, every: Asked
) -> None:
    services.agent_switch(agent=concierge, enabled=False, actor=ADMIN)

    for operation, asked in every.items():
        name = concierge.workload_identity.name
        assert refused(getattr(operator, operation), workloadName=name, **asked) == (
            "AccessDeniedException",
            "agent_disabled",
        )


def test_an_identity_that_is_not_there_gets_no_token(operator: Client, every: Asked) -> None:
    for operation, asked in every.items():
        assert refused(getattr(operator, operation), workloadName="no-such", **asked) == (
            "ResourceNotFoundException",
            "workload_not_found",
        )


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("expired", {"exp": 1}),
        ("issuer_not_trusted", {"iss": "https://other.example"}),
        ("unknown_key", {"key": signing_key("elsewhere")}),
        ("no_subject", {"sub": None}),
    ],
)
@pytest.mark.usefixtures("batch")
def test_a_bad_user_token_gets_no_token(
    operator: Client, issuer: Issuer, settings: Any, reason: str, changed: dict[str, Any]
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    asked = {"workloadName": "batch", "userToken": issuer.token(**changed)}

    assert refused(operator.get_workload_access_token_for_jwt, **asked) == (
        "UnauthorizedException",
        reason,
    )


def test_what_is_no_token_at_all_is_invalid(operator: Client, batch: WorkloadIdentity) -> None:
    with pytest.raises(ClientError) as caught:
        operator.get_workload_access_token_for_jwt(workloadName="batch", userToken="no token")

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert "no token" not in caught.value.response["Error"]["Message"]


def test_an_untrusted_issuer_is_not_asked(
    operator: Client, batch: WorkloadIdentity, issuer: Issuer
) -> None:
    asked = {"workloadName": "batch", "userToken": issuer.token()}

    assert refused(operator.get_workload_access_token_for_jwt, **asked)[1] == "issuer_not_trusted"
    assert issuer.asked == []


def test_an_issuer_that_is_away_is_no_fault_of_the_caller(
    operator: Client, batch: WorkloadIdentity, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    issuer.answer("/.well-known/openid-configuration", status=503)
    asked = {"workloadName": "batch", "userToken": issuer.token()}

    assert refused(operator.get_workload_access_token_for_jwt, **asked) == (
        "InternalServerException",
        "issuer_unavailable",
    )


def test_a_person_who_was_switched_off_is_nobody_to_act_for(
    operator: Client, batch: WorkloadIdentity, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    bob = person("bob", issuer.url)
    person_switch(person=bob, active=False, actor=ADMIN)
    asked = {"workloadName": "batch", "userToken": issuer.token(sub="bob")}

    assert refused(operator.get_workload_access_token_for_jwt, **asked)[1] == "person_disabled"
    assert AuditEvent.objects.latest("pk").subject_sub == "bob"


def test_an_agents_identity_gets_tokens_for_those_who_may_use_the_agent(
    client_for: ClientFor, issuer: Issuer
) -> None:
    bob = person("bob", issuer.url)
    agent = make_agent("concierge", issuer, people=[bob])
    client = client_for(agent.workload_identity)
    name = agent.workload_identity.name

    def ask(**claims: Any) -> dict[str, Any]:
        return {"workloadName": name, "userToken": issuer.token(**claims)}

    call = client.get_workload_access_token_for_jwt
    assert issued(call(**ask(sub="bob"))).subject == bob.subject
    assert refused(call, **ask(sub="charlie")) == ("ResourceNotFoundException", "agent_not_found")
    assert AuditEvent.objects.latest("pk").subject_sub == "charlie"
    assert refused(call, **ask(sub="bob", client_id="other"))[1] == "client_mismatch"
    event = AuditEvent.objects.latest("pk")
    assert event.subject_sub == "bob"
    assert (event.detail["found"], event.detail["expected"]) == (["other"], ["portal"])
    assert refused(call, **ask(sub="bob", exp=1))[1] == "expired"
    assert AuditEvent.objects.latest("pk").subject_sub == ""


def test_nothing_is_issued_that_cannot_be_recorded(
    operator: Client, batch: WorkloadIdentity, every: Asked, settings: Any, issuer: Issuer
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent RENAME TO core_auditevent_away")
        try:
            for operation, asked in every.items():
                with pytest.raises(ClientError) as caught:
                    getattr(operator, operation)(workloadName="batch", **asked)
                assert caught.value.response["Error"]["Code"] == "InternalServerException"
                assert "workloadAccessToken" not in caught.value.response
        finally:
            cursor.execute("ALTER TABLE core_auditevent_away RENAME TO core_auditevent")


def test_a_key_that_was_switched_off_is_refused_as_one_that_never_was(
    url: str, issuer: Issuer
) -> None:
    agent = make_agent("concierge", issuer)
    identity = agent.workload_identity
    key, secret = access_keys.access_key_create(label="k", workload_identity=identity, actor=ADMIN)
    access_keys.access_key_switch(key=key, enabled=False, actor=ADMIN)
    never = AccessKey(access_key_id="AKIA" + "A" * 16)

    told = []
    for tried in (never, key):
        with pytest.raises(ClientError) as caught:
            _client(url, tried, secret).get_workload_access_token(workloadName=identity.name)
        told.append(caught.value.response["Error"])

    assert told[0] == told[1]
    assert told[0]["Code"] == "AccessDeniedException"
    assert recorded()[-2:] == [
        ("wire.call", "refused", "signature_unknown_key"),
        ("wire.call", "refused", "key_disabled"),
    ]
    event = AuditEvent.objects.latest("pk")
    assert (event.workload, event.agent, event.client) == (identity.name, agent.agent_id, "")
    assert event.detail["access_key_id"] == key.access_key_id
