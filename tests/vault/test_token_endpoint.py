"""The token endpoint as an agent without an AWS SDK finds it, on the site's own server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import policies, workload
from agents.arns import oauth2_provider_arn
from agents.keys.access_keys import access_key_create, access_key_switch
from agents.models import AccessKey, Agent, WorkloadIdentity
from agents.policies import stored
from core import strangers
from core.errors import InvalidRequest
from core.models import AuditEvent, User
from core.secret import Secret
from core.subject import Subject
from portal.asgi import chosen
from tests.core.wire.serving import served
from tests.fixtures.browsing import get, post
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.loops import Run
from tests.fixtures.provider import Fault
from tests.vault.conftest import ADMIN, FOREIGN, Browser, World, events, token_of
from vault.flows import consent
from vault.models import ConsentSession, CredentialProvider
from vault.token_endpoint import app, exchange
from vault.token_endpoint.app import MAX_BODY_BYTES, application
from vault.token_endpoint.form import parsed

pytestmark = pytest.mark.django_db(transaction=True)

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
FORM = "application/x-www-form-urlencoded"


class Client:
    """An OAuth client: an access key that is shown."""

    def __init__(self, url: str, identity: WorkloadIdentity | None, **about: Any) -> None:
        self.key, self.secret = access_key_create(
            label="test", workload_identity=identity, actor=ADMIN, **about
        )
        self.url = url

    def ask(self, *, basic: tuple[str, str] | None = None, **form: Any) -> httpx.Response:
        shown = basic or (self.key.access_key_id, self.secret.reveal())
        return post(f"{self.url}/oauth2/token", data=form, auth=shown)

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        shown = (self.key.access_key_id, self.secret.reveal())
        return post(
            f"{self.url}/oauth2/token",
            content=body,
            headers={"content-type": FORM, **headers},
            auth=shown,
        )

    def exchange(self, subject_token: Secret, /, **form: Any) -> httpx.Response:
        """Ask for a token of acme."""
        asked = {
            "grant_type": EXCHANGE,
            "subject_token": subject_token.reveal(),
            "subject_token_type": exchange.WORKLOAD_TOKEN,
            "audience": "acme",
            "scope": "calendar.read",
            **form,
        }
        return self.ask(**{name: value for name, value in asked.items() if value is not None})


@pytest.fixture
def url() -> Iterator[str]:
    policies.forget()
    strangers.forget()
    with served(application) as running:
        yield running
    policies.forget()
    strangers.forget()


@pytest.fixture
def agent(url: str, concierge: WorkloadIdentity) -> Client:
    return Client(url, concierge)


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    with issuing() as running:
        settings.DAIKO_TRUSTED_ISSUERS = [running.url]
        yield running


def error(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert body["error_description"].isascii()
    assert not set('"\\') & set(body["error_description"])
    return answer.status_code, body["error"]


def for_alice(issuer: Issuer) -> dict[str, Any]:
    return {
        "grant_type": EXCHANGE,
        "subject_token": issuer.token(sub="alice"),
        "subject_token_type": JWT,
    }


def test_a_persons_token_becomes_a_workload_token_and_that_a_providers(
    agent: Client, world: World, issuer: Issuer
) -> None:
    first = agent.ask(**for_alice(issuer))

    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-store"
    issued = first.json()
    verified = workload.read(issued.pop("access_token"))
    assert (verified.workload_name, verified.subject) == (
        world.identity.name,
        Subject(issuer.url, "alice"),
    )
    assert issued == {
        "issued_token_type": exchange.WORKLOAD_TOKEN,
        "token_type": "N_A",
        "expires_in": 3600,
    }
    (event,) = events("workload.token.issued")
    assert event.client == agent.key.access_key_id
    assert event.detail["operation"] == "GetWorkloadAccessTokenForJWT"

    person = User.objects.create(username="a", iss=issuer.url, sub="alice", name="Alice")
    second = agent.exchange(Secret(first.json()["access_token"]))
    assert error(second) == (400, "interaction_required")
    asked = second.json()
    assert (asked["interval"], len(events("vault.token.released"))) == (5, 0)

    poll = agent.exchange(Secret(first.json()["access_token"]), session_uri=asked["session_uri"])
    assert error(poll) == (400, "authorization_pending")

    at_provider = Browser(person).get(asked["authorization_uri"])
    assert at_provider.status_code == 302


def test_a_live_grant_is_answered_with_its_token_as_the_rfc_has_it(
    agent: Client, world: World, alice: User
) -> None:
    world.grant(alice)

    answer = agent.exchange(token_of(world.identity, alice))

    assert answer.status_code == 200
    body = answer.json()
    assert world.there.knows(body.pop("access_token")) == "alice"
    assert 0 < body.pop("expires_in") <= 3600
    assert body == {
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "scope": "calendar.read",
    }
    (event,) = events("vault.token.released")
    assert (event.client, event.subject_sub) == (agent.key.access_key_id, "alice")


def test_a_poll_ends_with_the_token(agent: Client, world: World, alice: User) -> None:
    subject = token_of(world.identity, alice)
    asked = agent.exchange(subject).json()
    browser = Browser(alice)
    at_provider = browser.get(asked["authorization_uri"])["Location"]
    browser.get(world.there.allow(at_provider, account="alice"))
    consent.complete_here(session_uri=asked["session_uri"], subject=alice.subject)

    answer = agent.exchange(subject, session_uri=asked["session_uri"])

    assert world.there.knows(answer.json()["access_token"]) == "alice"


def test_a_poll_ends_when_the_consent_does(agent: Client, world: World, alice: User) -> None:
    subject = token_of(world.identity, alice)
    denied = agent.exchange(subject).json()
    browser = Browser(alice)
    at_provider = browser.get(denied["authorization_uri"])["Location"]
    browser.get(world.there.deny(at_provider))
    expired = agent.exchange(subject).json()
    ConsentSession.objects.filter(status="pending").update(expires_at="2020-01-01T00:00:00Z")

    for asked, told in ((denied, "access_denied"), (expired, "expired_token")):
        answer = agent.exchange(subject, session_uri=asked["session_uri"])
        assert error(answer) == (400, told)


def test_the_client_has_a_token_of_its_own_with_which_it_gets_its_own_access(
    agent: Client, world: World
) -> None:
    own = agent.ask(grant_type="client_credentials")
    assert workload.read(own.json()["access_token"]).subject is None

    answer = agent.exchange(Secret(own.json()["access_token"]), flow="M2M")

    assert answer.status_code == 200, answer.text
    assert events("vault.token.released")[0].workload == world.identity.name


@pytest.mark.parametrize(
    ("fault", "name", "reason"),
    [
        (Fault.WRONG_SCOPE, "invalid_scope", "scope_refused"),
        (Fault.WRONG_TARGET, "invalid_target", "target_refused"),
    ],
)
def test_what_the_provider_does_not_give_is_the_requests_fault(
    agent: Client, world: World, fault: Fault, name: str, reason: str
) -> None:
    own = agent.ask(grant_type="client_credentials")
    world.there.faults.append(fault)

    answer = agent.exchange(Secret(own.json()["access_token"]), flow="M2M")

    assert error(answer) == (400, name)
    assert "There is no such" in answer.json()["error_description"]
    assert [event.reason for event in events("vault.token.refused")] == [reason]
    assert not events("vault.token.released")


def test_a_flow_for_a_person_that_was_not_chosen_is_explained(agent: Client) -> None:
    own = agent.ask(grant_type="client_credentials")

    answer = agent.exchange(Secret(own.json()["access_token"]))

    assert error(answer) == (400, "invalid_request")
    said = answer.json()["error_description"]
    assert "flow was not given" in said
    assert "flow=M2M" in said
    assert [event.reason for event in events("vault.token.refused")] == ["person_missing"]


def test_the_state_goes_to_the_clients_own_page(agent: Client, world: World, alice: User) -> None:
    agent.exchange(token_of(world.identity, alice), redirect_uri=FOREIGN, state="s-1")

    session = ConsentSession.objects.get()
    assert session.return_url == FOREIGN


def test_another_page_to_come_back_to_is_refused(agent: Client, world: World, alice: User) -> None:
    subject = token_of(world.identity, alice)

    answer = agent.exchange(subject, redirect_uri="https://evil.example/")

    assert error(answer) == (400, "invalid_request")
    assert not ConsentSession.objects.exists()


def test_a_secret_is_taken_bare_and_form_encoded(agent: Client) -> None:
    secret = "".join(f"%{ord(char):02X}" for char in agent.secret.reveal())

    bare = agent.ask(grant_type="client_credentials")
    encoded = agent.ask(grant_type="client_credentials", basic=(agent.key.access_key_id, secret))

    assert (bare.status_code, encoded.status_code) == (200, 200)


def refused_clients(agent: Client) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what is not an access key of this site, and what the trail says of each."""
    key_id, secret = agent.key.access_key_id, agent.secret.reveal()

    def basic(text: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    yield "client_missing", {}
    yield "client_malformed", {"authorization": f"Bearer {secret}"}
    yield "client_malformed", {"authorization": "Basic not base64"}
    yield "client_malformed", basic(f"{key_id}{secret}")
    yield "client_malformed", basic(f"AKIA\0:{secret}")
    yield "signature_unknown_key", basic(f"AKIANOBODY:{secret}")
    yield "secret_mismatch", basic(f"{key_id}:{secret[:-1]}")
    yield "secret_mismatch", basic(f"{key_id}:")


def test_who_shows_no_key_of_this_site_gets_nothing(agent: Client) -> None:
    told = []
    for reason, headers in refused_clients(agent):
        body = {"grant_type": "client_credentials"}
        answer = post(f"{agent.url}/oauth2/token", data=body, headers=headers)
        assert error(answer) == (401, "invalid_client"), reason
        assert answer.headers["www-authenticate"].startswith("Basic ")
        told.append(answer.json()["error_description"])

    assert len(set(told)) == 1  # nobody learns which it was
    expected = [reason for reason, _ in refused_clients(agent)]
    assert [event.reason for event in events("oauth2.token")] == expected
    assert events("workload.token.issued") == []
    kept = str(list(AuditEvent.objects.values()))
    assert agent.secret.reveal()[:-1] not in kept


def test_a_key_that_was_switched_off_is_refused_like_an_unknown_one(agent: Client) -> None:
    access_key_switch(key=agent.key, enabled=False, actor=ADMIN)

    assert error(agent.ask(grant_type="client_credentials")) == (401, "invalid_client")
    (event,) = events("oauth2.token")
    assert (event.reason, event.workload) == ("key_disabled", "concierge-0123456789")


def test_strangers_past_their_allowance_are_counted(agent: Client, settings: Any) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 2
    wrong = (agent.key.access_key_id, "wrong")

    answers = [agent.ask(grant_type="client_credentials", basic=wrong) for _ in range(3)]

    assert [error(answer)[0] for answer in answers] == [401, 401, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert len(events("oauth2.token")) == 2
    assert agent.ask(grant_type="client_credentials").status_code == 200


def test_an_operators_key_is_no_client(url: str, concierge: WorkloadIdentity) -> None:
    answer = Client(url, None).ask(grant_type="client_credentials")

    assert error(answer) == (400, "unauthorized_client")
    assert [event.reason for event in events("oauth2.token")] == ["not_for_operators"]


def test_a_key_does_what_it_is_limited_to(url: str, world: World, alice: User) -> None:
    world.grant(alice)
    limited = Client(url, world.identity, operations=["GetResourceOauth2Token"])

    assert error(limited.ask(grant_type="client_credentials")) == (400, "unauthorized_client")
    assert [event.reason for event in events("oauth2.token")] == ["operation_not_allowed"]
    assert limited.exchange(token_of(world.identity, alice)).status_code == 200


def test_a_workload_token_of_another_agent_is_refused(
    agent: Client, world: World, greeter: WorkloadIdentity, alice: User
) -> None:
    world.grant(alice)

    other = Client(agent.url, greeter)
    answer = other.exchange(token_of(world.identity, alice))

    assert error(answer) == (400, "invalid_request")
    assert [event.reason for event in events("vault.token.refused")] == ["foreign_workload"]
    assert events("vault.token.released") == []


def test_what_may_not_be_used_is_an_invalid_target(
    agent: Client, world: World, alice: User, greeter: WorkloadIdentity
) -> None:
    subject = token_of(world.identity, alice)
    unopened = Client(agent.url, greeter).exchange(token_of(greeter, alice))
    unknown = agent.exchange(subject, audience="nobody")
    none = agent.exchange(subject, audience=None)
    two = agent.exchange(subject, audience=["acme", "acme"])
    fragment = agent.exchange(subject, resource="https://api.example/#part")
    CredentialProvider.objects.update(enabled=False)
    off = agent.exchange(subject)

    for answer in (unopened, unknown, none, two, fragment, off):
        assert error(answer) == (400, "invalid_target")
    assert not ConsentSession.objects.exists()


def test_a_policy_denies_here_as_in_the_wire_api(agent: Client, world: World, alice: User) -> None:
    world.grant(alice)
    arn = oauth2_provider_arn("acme")
    stored.policy_put(
        resource_arn=arn,
        text='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", '
        f'"Action": "bedrock-agentcore:GetResourceOauth2Token", "Resource": "{arn}"}}]}}',
        actor=ADMIN,
    )

    answer = agent.exchange(token_of(world.identity, alice))

    assert error(answer) == (400, "unauthorized_client")
    assert [event.reason for event in events("vault.token.refused")] == ["policy_denied"]
    assert events("vault.token.released") == []


def test_an_agent_that_is_switched_off_gets_no_token_for_itself(agent: Client) -> None:
    Agent.objects.update(enabled=False)

    assert error(agent.ask(grant_type="client_credentials")) == (400, "unauthorized_client")
    assert [event.outcome for event in events("workload.token.issued")] == ["refused"]


def test_a_token_of_an_issuer_that_is_not_trusted_is_refused(agent: Client) -> None:
    with issuing() as stranger:
        answer = agent.ask(**for_alice(stranger))

    assert error(answer) == (400, "invalid_request")
    assert [event.reason for event in events("workload.token.issued")] == ["issuer_not_trusted"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "invalid_request"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": "client_credentials", "client_secret": "s"}, "invalid_request"),
    ({"grant_type": "client_credentials", "client_id": "another"}, "invalid_request"),
    ({"grant_type": ["client_credentials"] * 2}, "invalid_request"),
    ({"grant_type": "client_credentials", "x": "\0"}, "invalid_request"),
    ({"grant_type": EXCHANGE}, "invalid_request"),
    ({"grant_type": EXCHANGE, "subject_token": "t"}, "invalid_request"),
    (
        {"grant_type": EXCHANGE, "subject_token": "t", "subject_token_type": "urn:x"},
        "invalid_request",
    ),
    (
        {"grant_type": EXCHANGE, "subject_token": "t", "subject_token_type": JWT},
        "invalid_request",
    ),
    (
        {
            "grant_type": EXCHANGE,
            "subject_token": "t",
            "subject_token_type": JWT,
            "audience": "acme",
        },
        "invalid_target",
    ),
    (
        {
            "grant_type": EXCHANGE,
            "subject_token": "t",
            "subject_token_type": JWT,
            "actor_token": "t",
        },
        "invalid_request",
    ),
]


def test_a_request_that_is_none_is_refused(agent: Client) -> None:
    for form, told in BAD:
        assert error(agent.ask(**form)) == (400, told), form

    assert {event.outcome for event in events("workload.token.issued")} == {"refused"}


def test_an_exchange_that_is_none_is_refused(agent: Client, world: World, alice: User) -> None:
    subject = token_of(world.identity, alice)
    bad = [
        ({"subject_token": "wat1.none"}, "invalid_request"),
        ({"requested_token_type": JWT}, "invalid_request"),
        ({"flow": "SOMEHOW"}, "invalid_request"),
        ({"scope": "\u00e9"}, "invalid_scope"),
        ({"scope": "s" * 129}, "invalid_scope"),
        ({"scope": " ".join(f"s{number}" for number in range(257))}, "invalid_scope"),
        ({"session_uri": "urn:none"}, "invalid_request"),
        ({"audience": "a" * 129}, "invalid_request"),
        ({"resource": f"https://api.example/{'a' * 2048}"}, "invalid_request"),
        ({"redirect_uri": f"https://agent.example/{'a' * 2048}"}, "invalid_request"),
        ({"state": "a" * 4097}, "invalid_request"),
    ]

    for changed, told in bad:
        assert error(agent.exchange(subject, **changed)) == (400, told), changed

    assert not ConsentSession.objects.exists()


def test_a_body_that_is_no_form_is_refused(agent: Client) -> None:
    good = b"grant_type=client_credentials"
    bodies = (
        *(b"", b"grant_type", b"&&", b"=x", b"grant_type=%ff", b"\xff\xfe"),
        *(b"a=1&" * 60, b'{"grant_type": "client_credentials"}', good + b"&"),
    )
    for body in bodies:
        assert error(agent.send(body)) == (400, "invalid_request"), body
    for kind in ("application/json", "multipart/form-data; boundary=x", ""):
        assert error(agent.send(good, **{"content-type": kind})) == (400, "invalid_request"), kind

    assert events("workload.token.issued") == []


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.tuples(st.text(), st.text())).map(lambda pairs: urlencode(pairs).encode()),
    )
)
def test_whatever_the_body_is_it_is_a_form_of_printable_values_or_refused(body: bytes) -> None:
    try:
        form = parsed({"content-type": FORM}, body)
    except InvalidRequest:
        return

    for name in ("grant_type", "audience", "scope"):
        assert all(value and value.isprintable() for value in form.all(name))


def test_a_parameter_without_a_value_counts_as_left_out(agent: Client) -> None:
    answer = agent.ask(grant_type="client_credentials", client_id="", client_secret="")

    assert answer.status_code == 200


def test_what_breaks_here_says_nothing_of_it(
    agent: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("at-of-alice")

    monkeypatch.setattr(app, "token_issue", broken)

    answer = agent.ask(grant_type="client_credentials")

    assert error(answer) == (500, "server_error")
    assert "at-of-alice" not in answer.text


def test_a_client_that_goes_away_is_not_answered(agent: Client, run: Run[None]) -> None:
    shown = f"{agent.key.access_key_id}:{agent.secret.reveal()}".encode()
    scope: Any = {
        "method": "POST",
        "headers": [(b"authorization", b"Basic " + base64.b64encode(shown))],
        "client": None,
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    run(application(scope, receive, send))

    assert sent == []


def test_a_huge_body_is_refused(agent: Client) -> None:
    answer = agent.send(b"grant_type=client_credentials&x=" + b"a" * MAX_BODY_BYTES)

    assert error(answer) == (413, "invalid_request")


def test_the_query_says_nothing(agent: Client) -> None:
    url, key, secret = f"{agent.url}/oauth2/token", agent.key, agent.secret.reveal()
    query = f"?client_id={key.access_key_id}&client_secret={quote(secret)}"

    answer = post(url + query, data={"grant_type": "client_credentials"})

    assert error(answer) == (401, "invalid_client")


def test_only_post_is_answered(agent: Client) -> None:
    answer = get(f"{agent.url}/oauth2/token", auth=("AKIA", "s"))

    assert error(answer) == (405, "invalid_request")
    assert answer.headers["allow"] == "POST"


def test_its_metadata_names_what_it_takes(client: Any, settings: Any, agent: Client) -> None:
    told = client.get("/.well-known/oauth-authorization-server").json()

    assert told == {
        "issuer": settings.SITE_URL,
        "token_endpoint": f"{settings.SITE_URL}/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["client_credentials", EXCHANGE],
        "response_types_supported": [],
        "service_documentation": f"{settings.SITE_URL}/api/docs/",
        "jwks_uri": f"{settings.SITE_URL}/.well-known/jwks.json",
    }
    assert client.get("/api/docs/").status_code == 200
    assert "keys" in client.get(urlsplit(told["jwks_uri"]).path).json()
    for grant_type in told["grant_types_supported"]:
        assert error(agent.ask(grant_type=grant_type, client_id="x"))[1] == "invalid_request"


def test_the_site_serves_it() -> None:
    assert chosen("POST", "/oauth2/token", "/oauth2/token") is application


def test_its_use_is_kept_as_the_keys(agent: Client) -> None:
    agent.ask(grant_type="client_credentials")

    assert AccessKey.objects.get(pk=agent.key.pk).last_used_at is not None
