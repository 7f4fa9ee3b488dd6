"""The calls that this site makes of agents on AWS, taken by a site that speaks AWS's wire API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents import importing, services, workload
from agents.aws import calls, places
from agents.aws.calls import AwsCredentialsMissing, Call, NoPersonsToken, session_id_of, user_id_of
from agents.keys import access_keys
from agents.models import Agent
from core import aws
from core.secret import Secret
from core.subject import Subject
from core.wire.respond import Headers
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import events, refusal_of, subject_of
from tests.agents.gateway.test_a2a import CARD_PATH, NEW
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import SITE_URL, Plane, Reply, invocation_path, running_plane
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
SESSION_ID = "session-" + "7" * 36
SENT: Headers = [
    ("content-type", "application/json"),
    ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    ("x-tenant", "acme  ø"),
    ("WorkloadAccessToken", "ours"),
    ("X-Amz-Bedrock-AgentCore-Identity-WAT", "ours"),
    ("OAuth2CallbackUrl", "https://ours.example"),
    ("X-Amzn-Bedrock-AgentCore-Runtime-User-Id", "alice"),
    ("authorization", "Bearer of-the-caller"),
]
PERSON = Subject("https://idp.example", "alice")


@pytest.fixture
def at_aws(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """Let this process take the other site for AWS."""
    for part in ("", "_CONTROL"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE{part}", plane.url)
    aws.forget()
    yield plane
    aws.forget()


@pytest.fixture
def signed_for(
    agent: Agent, upstream: SmallAgent, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Agent]:
    """The agent, called with signatures there; this process has an operator's key there."""
    asked = configured(
        url=upstream.url,
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
        header_allowlist=("X-Tenant",),
    )
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN, may_drop_authorizer=True)
    row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", row.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret.reveal())
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws.forget()
    yield agent
    aws.forget()


@pytest.fixture(scope="module")
def front(
    _planes: Any, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Plane]:
    """A site whose agents run at the other one, where it has an operator's key."""
    with django_db_blocker.unblock():
        at_aws = _planes.get()
        row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
        with running_plane(
            tmp_path_factory.mktemp("front") / "log",
            AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=at_aws.url,
            AWS_ACCESS_KEY_ID=row.access_key_id,
            AWS_SECRET_ACCESS_KEY=secret.reveal(),
        ) as running:
            yield running


def registered(there: Agent, issuer: Issuer, **said: Any) -> Agent:
    """Return an agent here that runs at the other site, for everybody."""
    name = f"at_aws_{there.name}"
    return make_agent(name, issuer, url=there.arn, everyone=True, **said)


def ask(front: Plane, agent: Agent, issuer: Issuer, **request: Any) -> Reply:
    headers = {"authorization": f"Bearer {issuer.token()}", "content-type": "application/json"}
    return front.ask(invocation_path(agent), headers=headers, **request)


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def send(agent: Agent, plane: Plane, *pieces: bytes, **changed: Any) -> Reply:
    """Make the call as the gateway would, and return the answer to it."""

    async def make() -> tuple[Call, bytes]:
        place = places.place_at(agent.arn)
        assert place is not None
        asked: dict[str, Any] = {
            "called_with": places.SIGV4,
            "headers": SENT,
            "subject": PERSON,
            "user_token": None,
            "session_id": SESSION_ID,
            "body": in_pieces(*pieces),
            "length": None,
        }
        async with AsyncExitStack() as held:
            call = await calls.prepared(place, held=held, **{**asked, **changed})
            body = b"".join([chunk async for chunk in call.body])
            assert call.length in {None, len(body)}
            return call, body

    call, body = asyncio.run(make())
    url = urlsplit(call.url)
    assert f"{url.scheme}://{url.netloc}" == plane.url
    on_the_wire = [(name, value.encode().decode("latin-1")) for name, value in call.headers]
    return plane.ask(f"{url.path}?{url.query}", headers=on_the_wire, body=body)


def test_a_signed_call_is_for_the_person_and_holds_no_token_of_ours(
    at_aws: Plane, signed_for: Agent, upstream: SmallAgent
) -> None:
    answer = send(signed_for, at_aws, b'{"n":', b" 1}")

    assert answer.status == 200, answer.body
    got = upstream.next_call()
    assert got.body == b'{"n": 1}'
    assert got.header("x-tenant") == "acme  ø"
    assert got.header("traceparent") == dict(SENT)["traceparent"]
    assert got.header(SESSION) == SESSION_ID
    assert got.header("WorkloadAccessToken") not in {None, "ours"}
    assert subject_of(signed_for) == Subject.opaque(user_id_of(PERSON))


def test_a_signed_call_may_be_for_nobody(
    at_aws: Plane, signed_for: Agent, upstream: SmallAgent
) -> None:
    assert send(signed_for, at_aws, b"{}", subject=None).status == 200

    assert subject_of(signed_for) == Subject("", "")


def test_a_large_body_is_signed_and_sent_whole(
    at_aws: Plane, signed_for: Agent, upstream: SmallAgent
) -> None:
    pieces = [bytes([number]) * (700 * 1024) for number in range(4)]

    assert send(signed_for, at_aws, *pieces).status == 200

    assert upstream.next_call().body == b"".join(pieces)


def test_another_endpoint_is_named_by_its_qualifier(
    at_aws: Plane, signed_for: Agent, upstream: SmallAgent
) -> None:
    signed_for.endpoints.create(name="prod")
    place = places.place_at(f"{signed_for.arn}/runtime-endpoint/prod")
    assert place is not None

    assert urlsplit(calls.url_of(place)).query == "qualifier=prod"
    assert place.runtime_arn == signed_for.arn


def test_without_credentials_nothing_is_made(
    at_aws: Plane, signed_for: Agent, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    aws.forget()

    with pytest.raises(AwsCredentialsMissing):
        send(signed_for, at_aws, b"{}")

    assert events(signed_for) == []


def test_a_persons_own_token_is_what_the_runtime_is_called_with(
    at_aws: Plane, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    token = Secret(issuer.token())

    answer = send(agent, at_aws, b"{}", called_with=places.BEARER, user_token=token)

    assert answer.status == 200, answer.body
    got = upstream.next_call()
    assert got.header(SESSION) == SESSION_ID
    assert "x-amz-date" not in got.names()
    assert subject_of(agent) == Subject(issuer.url, "alice")


def test_a_runtime_that_takes_tokens_is_not_called_without_one(at_aws: Plane, agent: Agent) -> None:
    with pytest.raises(NoPersonsToken):
        send(agent, at_aws, b"{}", called_with=places.BEARER)

    assert events(agent) == []


def test_aws_itself_is_called_at_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", raising=False)
    aws.forget()
    place = places.Place(region="eu-west-1", account="123456789012", runtime_id="hi-a1B2c3D4e5")

    url = urlsplit(calls.url_of(place))

    assert (url.scheme, url.hostname) == ("https", "bedrock-agentcore.eu-west-1.amazonaws.com")
    assert url.path.endswith("%2Fhi-a1B2c3D4e5/invocations")
    assert url.query == "qualifier=DEFAULT"


def test_people_use_an_agent_there_through_this_site_by_their_own_token(
    front: Plane, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    here = registered(agent, issuer, called_with=places.BEARER)

    answer = ask(front, here, issuer, body=b'{"n": 1}')

    assert (answer.status, answer.json()) == (200, {"said": "hello"})
    got = upstream.next_call()
    assert got.body == b'{"n": 1}'
    ours, theirs = answer.headers[SESSION], got.header(SESSION)
    assert theirs == session_id_of(ours, Subject(issuer.url, "alice"))
    assert [event[1] for event in waiting_for_end(here)] == ["allowed", "allowed"]
    assert subject_of(here) == subject_of(agent) == Subject(issuer.url, "alice")


def test_people_use_a_signed_agent_there_and_are_told_apart(
    front: Plane, signed_for: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    here = registered(signed_for, issuer, called_with=places.SIGV4)

    assert ask(front, here, issuer).status == 200

    got = upstream.next_call()
    alice = Subject(issuer.url, "alice")
    wat = workload.read(got.header("WorkloadAccessToken") or "")
    assert wat.workload_name == signed_for.workload_identity.name
    assert subject_of(signed_for) == Subject.opaque(user_id_of(alice))
    assert subject_of(here) == alice


def test_what_the_other_side_refuses_is_the_agents_failure(
    front: Plane, signed_for: Agent, issuer: Issuer
) -> None:
    here = registered(signed_for, issuer, called_with=places.BEARER)

    answer = ask(front, here, issuer)

    assert (answer.status, answer.error) == (424, "RuntimeClientError")
    assert waiting_for_end(here)[-1][1:] == ("failed", "agent_failed")


def test_without_credentials_the_refusal_is_on_record_and_nothing_is_sent(
    plane: Plane, signed_for: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    here = registered(signed_for, issuer, called_with=places.SIGV4)

    assert ask(plane, here, issuer).status == 424

    assert refusal_of(here) == "aws_credentials_missing"
    assert upstream.calls == []


def test_agents_of_another_site_are_imported_and_used_as_those_of_aws(
    front: Plane,
    at_aws: Plane,
    signed_for: Agent,
    issuer: Issuer,
    upstream: SmallAgent,
) -> None:
    taker = make_agent(
        f"{signed_for.name}_jwt",
        issuer,
        url=upstream.url,
        allowed_scopes=("agents",),
        protocol="AGUI",
        header_allowlist=("X-Tenant",),
        session_idle_s=120,
        everyone=True,
    )
    services.endpoint_create(agent=taker, name="prod", actor=ADMIN)

    found = {each.name: each for each in importing.compare(region="us-east-1")}
    runtime = found[taker.name].runtime
    assert runtime is not None
    assert found[taker.name].standing == importing.Standing.NEW
    here = importing.runtime_register(
        runtime, name=f"{taker.name}_here", qualifier="prod", actor=ADMIN
    )
    services.agent_open_to(agent=here, everyone=True, groups=(), people=(), actor=ADMIN)

    said, theirs = here.versions.get(), taker.versions.get()
    assert said.url == f"{taker.arn}/runtime-endpoint/prod"
    for name in ("discovery_url", "allowed_clients", "allowed_scopes", "protocol"):
        assert getattr(said, name) == getattr(theirs, name)
    assert (said.called_with, said.session_idle_s) == (places.BEARER, 120)
    assert ask(front, here, issuer).status == 200
    assert upstream.next_call().header(SESSION)
    # The two sites are one in all but the process, so the agent here is also listed as one there.
    (again,) = [each for each in importing.compare(region="us-east-1") if each.agent == here]
    assert again.standing == importing.Standing.SAME
    signed = found[signed_for.name].runtime
    assert signed is not None
    assert signed.jwt_authorizer is None


@pytest.mark.parametrize("called_with", [places.BEARER, places.SIGV4])
def test_the_card_of_an_agent_there_leads_here(
    called_with: str, front: Plane, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    said: dict[str, Any] = {"url": upstream.url, "protocol": "A2A"}
    if called_with == places.SIGV4:
        said |= {"auth_mode": "SIGV4", "discovery_url": "", "allowed_clients": ()}
    asked = configured(issuer, **said)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN, may_drop_authorizer=True)
    here = registered(agent, issuer, called_with=called_with, protocol="A2A")
    upstream.behaviour = lambda each: each.answer(NEW)

    answer = front.ask(
        invocation_path(here) + CARD_PATH,
        method="GET",
        headers={"authorization": f"Bearer {issuer.token()}"},
        body=b"",
    )

    assert answer.status == 200, answer.body
    (offered,) = answer.json()["supportedInterfaces"]
    assert offered["url"] == SITE_URL + invocation_path(here)
    assert upstream.next_call().line == f"GET {CARD_PATH} HTTP/1.1"
