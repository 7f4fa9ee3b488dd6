"""The vault's operations as boto3 finds them, on the site's own server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.db import transaction
from django.db.models import Q

from agents import workload
from agents.keys.access_keys import access_key_create
from agents.keys.verification import authenticate
from agents.models import WorkloadIdentity
from core.models import User
from core.oauth import Tokens
from core.secret import Secret
from core.subject import Subject
from core.wire.app import WireApp
from portal.wire import OPERATIONS
from tests.core.wire.serving import served
from tests.fixtures.browsing import post
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.provider import CLIENT_ID, callback_query
from tests.vault.conftest import ADMIN, FOREIGN, ISSUER, SESSION, Browser, Expire, World, events
from vault.flows import consent, return_urls, sessions
from vault.grants.keeping import grant_store
from vault.models import ConsentSession, Grant
from vault.standing import admitted

pytestmark = pytest.mark.django_db(transaction=True)


class Api:
    """The API with one access key, which can ask as an agent does."""

    def __init__(self, url: str, identity: WorkloadIdentity | None, settings: Any) -> None:
        key, secret = access_key_create(label="test", workload_identity=identity, actor=ADMIN)
        self.key_id = key.access_key_id
        self._options: dict[str, Any] = {
            "endpoint_url": url,
            "region_name": settings.AWS_REGION,
            "aws_access_key_id": key.access_key_id,
            "aws_secret_access_key": secret.reveal(),
            "config": Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        }
        self.client = self.for_service("bedrock-agentcore")

    def for_service(self, name: Any) -> Any:
        """Return boto3's client of one of the two services."""
        return boto3.client(name, **self._options)

    def read(
        self, identity: WorkloadIdentity, subject: Subject | None, **changed: Any
    ) -> dict[str, Any]:
        """Ask for a token of acme; a parameter changed to None is left out."""
        token = workload.issue(
            workload_id=identity.pk,
            workload_name=identity.name,
            subject=subject,
            session_id=SESSION,
        )
        asked = {
            "workloadIdentityToken": token.reveal(),
            "resourceCredentialProviderName": "acme",
            "scopes": ["calendar.read"],
            "oauth2Flow": "USER_FEDERATION",
            "resourceOauth2ReturnUrl": return_urls.own(),
            **changed,
        }
        answer = self.client.get_resource_oauth2_token(
            **{name: value for name, value in asked.items() if value is not None}
        )
        answer.pop("ResponseMetadata")
        return cast(dict[str, Any], answer)

    def complete(self, session_uri: str, **identifier: str) -> None:
        """Say who is at the page that a consent returned to."""
        self.client.complete_resource_token_auth(sessionUri=session_uri, userIdentifier=identifier)


@pytest.fixture
def url() -> Iterator[str]:
    with served(WireApp(OPERATIONS, authenticate=authenticate)) as running:
        yield running


@pytest.fixture
def agent(url: str, world: World, settings: Any) -> Api:
    """The API with the concierge's own key."""
    return Api(url, world.identity, settings)


@pytest.fixture
def operator(url: str, world: World, settings: Any) -> Api:
    return Api(url, None, settings)


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    with issuing() as running:
        settings.DAIKO_TRUSTED_ISSUERS = [running.url]
        yield running


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int, str]:
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


def test_the_whole_journey_by_the_wire(agent: Api, world: World, alice: User) -> None:
    first = agent.read(world.identity, alice.subject)
    assert first["sessionStatus"] == "IN_PROGRESS"
    assert first["sessionUri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert "accessToken" not in first
    polled = agent.read(world.identity, alice.subject, sessionUri=first["sessionUri"])
    assert polled == first

    browser = Browser(alice)
    at_provider = browser.get(first["authorizationUrl"])["Location"]
    browser.get(world.there.allow(at_provider, account="alice"))
    consent.complete_here(session_uri=first["sessionUri"], subject=alice.subject)

    done = agent.read(world.identity, alice.subject, sessionUri=first["sessionUri"])
    assert done.keys() == {"accessToken"}
    assert world.there.knows(done["accessToken"]) == "alice"
    assert events("vault.token.released")[0].client == agent.key_id
    assert ConsentSession.objects.get().runtime_session_id == SESSION


def test_everything_that_the_operation_takes_arrives(agent: Api, world: World, alice: User) -> None:
    answer = agent.read(
        world.identity,
        alice.subject,
        scopes=["calendar.read", "openid profile"],
        resourceOauth2ReturnUrl=FOREIGN,
        forceAuthentication=True,
        customState="mine",
        customParameters={"prompt": "login"},
        resources=["https://api.example"],
    )

    session = sessions.by_uri(answer["sessionUri"])
    assert session.scopes == ["calendar.read", "openid", "profile"]
    assert (session.return_url, session.forced) == (FOREIGN, True)
    assert session.resources == ["https://api.example"]
    assert session.custom_parameters() == {"prompt": Secret("login")}
    state = session.custom_state()
    assert state is not None
    assert state.reveal() == "mine"


def test_an_application_completes_a_consent_with_any_good_token_of_the_person(
    operator: Api, world: World, issuer: Issuer
) -> None:
    subject = Subject(issuer.url, "alice")
    waiting = operator.read(world.identity, subject, resourceOauth2ReturnUrl=FOREIGN)
    browser = Browser()
    at_provider = browser.get(waiting["authorizationUrl"])["Location"]
    back = browser.get(world.there.allow(at_provider, account="alice"))["Location"]

    operator.complete(
        callback_query(back)["session_id"],
        userToken=issuer.token(sub="alice", aud="another audience", jti="another token"),
    )

    token = operator.read(world.identity, subject, sessionUri=waiting["sessionUri"])["accessToken"]
    assert world.there.knows(token) == "alice"


def test_an_application_completes_a_consent_of_a_person_it_names_itself(
    agent: Api, world: World
) -> None:
    waiting = _consented(agent, world, Subject.opaque("customer 7"))

    agent.complete(waiting, userId="customer 7")

    assert Grant.objects.get().subject == Subject.opaque("customer 7")


def _consented(api: Api, world: World, subject: Subject) -> str:
    """Return the session of a consent that was given and not completed."""
    waiting = api.read(world.identity, subject, resourceOauth2ReturnUrl=FOREIGN)
    browser = Browser()
    at_provider = browser.get(waiting["authorizationUrl"])["Location"]
    assert browser.get(world.there.allow(at_provider, account="x")).status_code == 302
    return str(waiting["sessionUri"])


@pytest.mark.parametrize(
    "claims",
    [{"sub": "bob"}, {"exp": 1}, {"iss": "https://evil.example"}, {"alg": "HS256"}],
)
def test_a_token_that_is_not_a_good_one_of_the_person_completes_nothing(
    claims: dict[str, Any], operator: Api, world: World, issuer: Issuer
) -> None:
    waiting = _consented(operator, world, Subject(issuer.url, "alice"))
    if "alg" in claims:
        header, _, rest = issuer.token().partition(".")
        unsigned = f"eyJhbGciOiJub25lIn0.{rest}"
        token = unsigned if header else ""
    else:
        token = issuer.token(**claims)

    with pytest.raises(ClientError) as caught:
        operator.complete(waiting, userToken=token)

    assert refusal(caught)[1] in {401, 403}
    assert not Grant.objects.exists()


def test_an_opaque_id_does_not_stand_for_a_person_who_signs_in(
    operator: Api, world: World, alice: User
) -> None:
    waiting = _consented(operator, world, alice.subject)

    with pytest.raises(ClientError) as caught:
        operator.complete(waiting, userId="alice")

    assert refusal(caught) == (
        "AccessDeniedException",
        403,
        "Invalid or expired session: another person was asked for consent.",
    )
    assert not Grant.objects.exists()


def test_an_agents_key_acts_for_its_own_workload_identity_alone(
    agent: Api, operator: Api, world: World, greeter: WorkloadIdentity, alice: User
) -> None:
    world.provider.workloads.add(greeter)

    with pytest.raises(ClientError) as caught:
        agent.read(greeter, alice.subject)
    assert refusal(caught)[:2] == ("AccessDeniedException", 403)
    assert operator.read(greeter, alice.subject)["sessionStatus"] == "IN_PROGRESS"


def test_an_agents_key_completes_no_consent_of_another_workload_identity(
    url: str, world: World, greeter: WorkloadIdentity, settings: Any
) -> None:
    theirs = Api(url, greeter, settings)
    waiting = _consented(Api(url, None, settings), world, Subject.opaque("x"))

    with pytest.raises(ClientError) as caught:
        theirs.complete(waiting, userId="x")
    assert events("vault.consent.refused")[0].client == theirs.key_id
    assert refusal(caught) == (
        "AccessDeniedException",
        403,
        "Invalid or expired session: there is no such request for consent.",
    )
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"workloadIdentityToken": "wat1.made-up"}, ("UnauthorizedException", 401, "not valid")),
        (
            {"oauth2Flow": "ON_BEHALF_OF_TOKEN_EXCHANGE"},
            ("ValidationException", 400, "carries no token of the person"),
        ),
        (
            {"resourceCredentialProviderName": "nowhere"},
            ("ResourceNotFoundException", 404, "There is no credential provider of this name."),
        ),
        (
            {"resourceOauth2ReturnUrl": None},
            (
                "ValidationException",
                400,
                "You must provide a ResourceOauth2ReturnUrl to proceed with this flow",
            ),
        ),
        (
            {"resourceOauth2ReturnUrl": "https://evil.example"},
            (
                "ValidationException",
                400,
                "You must register and use at least one ResourceOauth2ReturnUrl",
            ),
        ),
        ({"scopes": ['a"b']}, ("ValidationException", 400, "RFC 6749")),
        (
            {"scopes": [f"s{number}" for number in range(257)]},
            ("ValidationException", 400, "More than 256 scopes"),
        ),
        (
            {"sessionUri": "urn:ietf:params:oauth:request_uri:x"},
            ("AccessDeniedException", 403, "Invalid or expired session"),
        ),
    ],
)
def test_a_refusal_says_what_is_wrong(
    changed: dict[str, Any],
    refused: tuple[str, int, str],
    agent: Api,
    world: World,
    alice: User,
) -> None:
    with pytest.raises(ClientError) as caught:
        agent.read(world.identity, alice.subject, **changed)

    code, status, said = refused
    assert refusal(caught)[:2] == (code, status)
    assert said in refusal(caught)[2]
    assert not ConsentSession.objects.exists()


def test_a_denial_ends_the_poll_at_once_in_english(
    agent: Api, world: World, alice: User, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "ja"
    waiting = agent.read(world.identity, alice.subject)
    browser = Browser(alice)
    at_provider = browser.get(waiting["authorizationUrl"])["Location"]
    browser.get(world.there.deny(at_provider))

    with pytest.raises(ClientError) as caught:
        agent.read(world.identity, alice.subject, sessionUri=waiting["sessionUri"])
    assert refusal(caught) == (
        "AccessDeniedException",
        403,
        "Concierge was not allowed to use Acme Calendar.",
    )


def test_readers_who_wait_for_a_provider_hold_up_nobody_else(
    agent: Api, operator: Api, world: World, alice: User, expire: Expire
) -> None:
    expire(world.grant(alice))
    world.there.before.clear()
    with ThreadPoolExecutor(24) as threads:
        waiting = [threads.submit(agent.read, world.identity, alice.subject) for _ in range(24)]
        assert world.there.waiting.wait(20)

        control = operator.for_service("bedrock-agentcore-control")
        control.get_workload_identity(name=world.identity.name)
        assert Grant.objects.count() == 1
        assert not any(one.done() for one in waiting)

        world.there.before.set()
        tokens = {done.result()["accessToken"] for done in waiting}
    assert len(tokens) == 1
    assert world.there.refreshes == 1


def test_as_many_grants_as_wait_for_a_provider_keep_no_connection_to_the_database(
    agent: Api, world: World, expire: Expire
) -> None:
    people = [Subject(ISSUER, f"person-{number}") for number in range(20)]
    tokens = Tokens(Secret("at-x"), Secret("rt-unknown"), None, expires_in_s=60, scope=None)
    for subject in people:
        parties = admitted(
            workload_id=world.identity.pk, subject=subject, provider=Q(pk=world.provider.pk)
        )
        with transaction.atomic():
            expire(grant_store(parties=parties, tokens=tokens, scopes=["calendar.read"]))
    world.there.before.clear()
    with ThreadPoolExecutor(len(people)) as threads:
        waiting = [threads.submit(agent.read, world.identity, subject) for subject in people]
        until = time.monotonic() + 20
        while len(world.there.asked_at("/token")) < len(people) and time.monotonic() < until:
            threading.Event().wait(0.02)
        assert len(world.there.asked_at("/token")) == len(people)

        assert Grant.objects.count() == len(people)
        assert not any(one.done() for one in waiting)

        world.there.before.set()
        assert {done.result()["sessionStatus"] for done in waiting} == {"IN_PROGRESS"}


def test_nothing_is_answered_without_a_signature(url: str, world: World) -> None:
    assert post(f"{url}/identities/oauth2/token", json={}).status_code == 403
    assert post(f"{url}/identities/CompleteResourceTokenAuth", json={}).status_code == 403


def test_a_workload_identity_gets_its_own_token_by_the_wire(agent: Api, world: World) -> None:
    answer = agent.read(world.identity, None, oauth2Flow="M2M", resourceOauth2ReturnUrl=None)

    assert answer.keys() == {"accessToken"}
    assert world.there.knows(answer["accessToken"]) == CLIENT_ID
    again = agent.read(
        world.identity, None, oauth2Flow="M2M", resources=["https://a.example/"], audiences=["b"]
    )
    assert again != answer
    assert world.there.sent[-1]["audience"] == ["b"]


def test_the_token_of_a_person_is_exchanged_by_the_wire(
    agent: Api, world: World, issuer: Issuer
) -> None:
    world.there.trusted_keys = issuer.keys
    world.provider.obo_grant_type = "TOKEN_EXCHANGE"
    world.provider.save()
    user_token = issuer.token(sub="alice")
    workload_token = agent.client.get_workload_access_token_for_jwt(
        workloadName=world.identity.name, userToken=user_token
    )["workloadAccessToken"]

    answer = agent.read(
        world.identity,
        None,
        oauth2Flow="ON_BEHALF_OF_TOKEN_EXCHANGE",
        workloadIdentityToken=workload_token,
    )

    assert answer.keys() == {"accessToken"}
    assert world.there.knows(answer["accessToken"]) == "alice"
    with pytest.raises(ClientError) as caught:
        agent.read(
            world.identity, Subject(issuer.url, "bob"), oauth2Flow="ON_BEHALF_OF_TOKEN_EXCHANGE"
        )
    assert refusal(caught)[:2] == ("ValidationException", 400)


def test_a_resource_that_is_none_is_named(agent: Api, world: World, alice: User) -> None:
    with pytest.raises(ClientError) as caught:
        agent.read(world.identity, alice.subject, resources=["calendar"])

    assert refusal(caught)[:2] == ("ValidationException", 400)
    told = cast(dict[str, Any], caught.value.response)
    assert told["fieldList"][0]["name"] == "resources"
