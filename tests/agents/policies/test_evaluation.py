"""What policies decide, asked of the database and of the event loop's copies alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents import policies, resources, services
from agents.arns import token_vault_arn, workload_identity_arn
from agents.keys import access_keys
from agents.models import ResourcePolicy, WorkloadIdentity
from agents.policies import PERSON, PolicyDenied, Principal, facts, principals, stored
from agents.resources import ResourceUnknown
from core import reference
from core.errors import InvalidRequest
from core.models import AuditEvent
from tests.agents.committed import empty_tables
from tests.agents.conftest import ADMIN, make_agent, recorded
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")
BATCH = workload_identity_arn("batch")
TOKEN = "GetWorkloadAccessToken"
FOR_USER = "GetWorkloadAccessTokenForUserId"
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny", "Sid": "Never"}
Evaluate = Callable[..., None]


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around the test: the event loop's threads look too."""
    with django_db_blocker.unblock():
        yield
        empty_tables()


@pytest.fixture(autouse=True)
def batch(db: None) -> WorkloadIdentity:
    return services.workload_identity_create(name="batch", actor=ADMIN)


@pytest.fixture(params=["loop", "thread"])
def evaluate(request: pytest.FixtureRequest, run: Run[Any]) -> Evaluate:
    """Both ways to ask: on an event loop, and from a thread."""

    def ask(action: str = TOKEN, principal: Principal = PERSON, **more: Any) -> None:
        asked = {"action": action, "resources": (BATCH,), "principal": principal, **more}
        if request.param == "loop":
            run(policies.aevaluate(**asked))
        else:
            policies.evaluate(**asked)

    return ask


def put(*statements: Any) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    stored.policy_put(resource_arn=BATCH, text=text, actor=ADMIN)


def denied(evaluate: Evaluate, *asked: Any, **more: Any) -> str:
    """Return the Sid of the statement that denies it; empty: none allows it."""
    with pytest.raises(PolicyDenied) as caught:
        evaluate(*asked, **more)
    assert (caught.value.code, caught.value.status) == ("policy_denied", 403)
    assert caught.value.told["policy_of"] == BATCH
    return caught.value.told["statement"]


def key(workload: str | None) -> Principal:
    """Return the holder of a new key."""
    identity = WorkloadIdentity.objects.get(name=workload) if workload else None
    row, _ = access_keys.access_key_create(label="k", workload_identity=identity, actor=ADMIN)
    return principals.of_key(row.access_key_id, workload)


def test_without_a_policy_nothing_is_denied(evaluate: Evaluate) -> None:
    evaluate()


def test_a_deny_denies_and_only_what_it_is_about(evaluate: Evaluate) -> None:
    put({**DENY, "Action": f"bedrock-agentcore:{TOKEN}"})

    assert denied(evaluate) == "Never"
    evaluate(FOR_USER)


def test_an_allow_is_for_those_whom_it_names_and_nobody_else(evaluate: Evaluate) -> None:
    operator, other = key(None), key(None)
    put({**ALLOW, "Principal": {"AWS": operator.arns[0]}, "Action": f"bedrock-agentcore:{TOKEN}"})

    evaluate(TOKEN, operator)
    assert denied(evaluate, TOKEN, other) == ""
    assert denied(evaluate, TOKEN, PERSON) == ""
    evaluate(FOR_USER, other)  # no Allow is about it


def test_a_deny_wins_over_an_allow_in_whatever_order(evaluate: Evaluate) -> None:
    for statements in ((ALLOW, DENY), (DENY, ALLOW)):
        put(*statements)
        policies.forget()

        assert denied(evaluate) == "Never"


def test_actions_have_wildcards_and_no_case(evaluate: Evaluate) -> None:
    put({**DENY, "Action": "Bedrock-AgentCore:get*ForUser??"})

    assert denied(evaluate, FOR_USER) == "Never"
    evaluate(TOKEN)


def test_a_workload_identity_is_meant_by_its_arn_whatever_its_key(evaluate: Evaluate) -> None:
    services.workload_identity_create(name="other", actor=ADMIN)
    put({**ALLOW, "Principal": {"AWS": BATCH}})

    for _ in range(2):
        evaluate(TOKEN, key("batch"))
    assert denied(evaluate, TOKEN, key("other")) == ""


@pytest.mark.parametrize("account", ["{}", "arn:aws:iam::{}:root"])
def test_the_account_is_every_key_and_no_person(
    evaluate: Evaluate, settings: Any, account: str
) -> None:
    put({**DENY, "Principal": {"AWS": account.format(settings.DAIKO_ACCOUNT_ID)}})

    assert denied(evaluate, TOKEN, key(None)) == "Never"
    evaluate(TOKEN, PERSON)


def test_conditions_decide_whether_a_statement_applies(evaluate: Evaluate) -> None:
    put({**ALLOW, "Condition": {"StringEquals": {"bedrock-agentcore:userid": "customer-7"}}})

    evaluate(facts=facts.of_user_id("customer-7"))
    assert denied(evaluate, facts=facts.of_user_id("customer-8")) == ""
    assert denied(evaluate) == ""


def test_where_a_call_comes_from_is_a_fact(evaluate: Evaluate) -> None:
    put({**DENY, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})

    reference.begin("192.0.2.9")
    assert denied(evaluate) == "Never"
    reference.begin("198.51.100.9")
    evaluate()


def test_who_calls_and_when_are_facts(evaluate: Evaluate) -> None:
    operator = key(None)
    put(
        {
            **DENY,
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": operator.arns[0]},
                "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
            },
        }
    )

    assert denied(evaluate, TOKEN, operator) == "Never"
    evaluate(TOKEN, key(None))


def test_a_policy_that_cannot_be_read_any_more_lets_nobody_through(evaluate: Evaluate) -> None:
    ResourcePolicy.objects.create(resource_arn=BATCH, document="{}")

    assert denied(evaluate) == ""


def test_what_is_not_accepted_changes_nothing(evaluate: Evaluate) -> None:
    put(DENY)
    before = recorded()

    for wrong, named in (
        ({**ALLOW, "Principal": {"AWS": BATCH.replace("batch", "bacth")}}, "bacth"),
        (
            {**ALLOW, "Principal": {"AWS": "arn:aws:iam::000000000000:user/AKIANOBODY"}},
            "AKIANOBODY",
        ),
        ({**ALLOW, "Principal": {"AWS": "arn:aws:iam::1:role/*"}}, "role/*"),
        ({**ALLOW, "Action": "bedrock-agentcore:InvokeAgentRuntime"}, "InvokeAgentRuntime"),
        ({**ALLOW, "Action": ["*", "bedrock-agentcore:PutResourcePolicy"]}, "PutResourcePolicy"),
        ({**ALLOW, "Resource": BATCH + "x"}, BATCH + "x"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            put(wrong)
        assert named in str(caught.value.message)

    assert denied(evaluate) == "Never"
    assert recorded() == before


def test_putting_and_deleting_are_on_record(evaluate: Evaluate) -> None:
    put(DENY)
    assert json.loads(stored.policy_of(BATCH) or "")["Statement"] == [DENY]
    for _ in range(2):
        stored.policy_delete(resource_arn=BATCH, actor=ADMIN)

    assert stored.policy_of(BATCH) is None
    evaluate()
    events = AuditEvent.objects.filter(action__startswith="admin.resource_policy").order_by("pk")
    assert [(e.action, e.actor, e.detail["resource"]) for e in events] == [
        ("admin.resource_policy.put", "an admin", BATCH),
        ("admin.resource_policy.deleted", "an admin", BATCH),
    ]


def test_a_policy_goes_with_its_resource(batch: WorkloadIdentity) -> None:
    agent = make_agent("a")
    for arn in (
        BATCH,
        agent.arn,
        f"{agent.arn}/runtime-endpoint/DEFAULT",
        agent.workload_identity.arn,
    ):
        ResourcePolicy.objects.create(resource_arn=arn, document="{}")

    services.workload_identity_delete(identity=batch, actor=ADMIN)
    services.agent_delete(agent=agent, actor=ADMIN)

    assert not ResourcePolicy.objects.exists()


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:bedrock-agentcore:us-east-1:111111111111:runtime/x",
        BATCH + "x",
        BATCH + "/more",
        "batch",
        BATCH.replace("batch", ""),
    ],
)
def test_what_is_no_resource_of_this_site_is_unknown(arn: str) -> None:
    with pytest.raises(ResourceUnknown):
        stored.policy_of(arn)


def test_agents_their_endpoints_and_the_vault_are_resources() -> None:
    agent = make_agent("a")
    endpoint = f"{agent.arn}/runtime-endpoint/DEFAULT"

    assert "InvokeAgentRuntime" in resources.find(agent.arn).kind.actions
    assert "InvokeAgentRuntimeForUser" in resources.find(endpoint).kind.actions
    assert "GetResourceApiKey" in resources.find(token_vault_arn()).kind.actions
    with pytest.raises(ResourceUnknown):
        resources.find(endpoint + "x")
