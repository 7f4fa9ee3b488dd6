"""Which tokens the inbound authorizer takes; real ones, over the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from agents import services
from agents.models import Agent
from core.models import AuditEvent
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, events, refusal_of
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import DISCOVERY, JWKS, Issuer, signing_key


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by_hand(issuer: Issuer, alg: str, secret: bytes | None) -> str:
    """Return a token of alice with a header that no library would write."""
    parts = ({"alg": alg, "kid": "first"}, issuer.claims())
    unsigned = ".".join(b64(json.dumps(part).encode()) for part in parts)
    mac = b"" if secret is None else hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{b64(mac)}"


class In(float):
    """Seconds from now: a test's parameters are made long before it runs."""


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Return claims in which each `In` is a time."""
    now = time.time()
    return {name: now + value if isinstance(value, In) else value for name, value in claims.items()}


@dataclass
class Refusal:
    """Calls with tokens that are refused: the reason on record, and the message that was told."""

    invoke: Invoke
    agent: Agent
    upstream: SmallAgent
    message: str = ""

    def __call__(self, token: str, *, status: int = 401) -> str:
        reply = self.invoke(token=token)
        assert reply.status == status, reply.body
        self.message = reply.message
        if status == 401:
            assert reply.headers["www-authenticate"].endswith(', error="invalid_token"')
        assert len(token) < 10 or token not in json.dumps([reply.message, reply.headers])
        assert self.upstream.calls == []
        return refusal_of(self.agent)


@pytest.fixture
def refusal(invoke: Invoke, agent: Agent, upstream: SmallAgent) -> Refusal:
    return Refusal(invoke, agent, upstream)


def test_an_unsigned_token_is_refused(refusal: Refusal, issuer: Issuer) -> None:
    token = signed_by_hand(issuer, "none", None)

    assert refusal(token) == "algorithm_not_allowed"


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    refusal: Refusal, issuer: Issuer
) -> None:
    key = RSAKey.import_key(issuer.keys[0].as_dict(private=False))
    token = signed_by_hand(issuer, "HS256", key.as_pem(private=False))

    assert refusal(token) == "algorithm_not_allowed"


@pytest.mark.parametrize("token", ["x", "a.b.c", "a.b.c.d.e", "." * 2, "é.é.é", "A" * 9000])
def test_what_is_no_token_is_refused(refusal: Refusal, token: str) -> None:
    assert refusal(token, status=403) == "malformed"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": In(-61)}, "expired"),
        ({"exp": None}, "no_expiry"),
        ({"exp": "soon"}, "no_expiry"),
        ({"exp": True}, "no_expiry"),
        ({"exp": 1e300}, "no_expiry"),
        ({"nbf": In(90)}, "not_yet_valid"),
        ({"nbf": "now"}, "not_yet_valid"),
        ({"iat": In(90)}, "not_yet_valid"),
        ({"iss": "https://issuer.example"}, "issuer_mismatch"),
        ({"iss": None}, "issuer_mismatch"),
        ({"iss": ["https://issuer.example"]}, "issuer_mismatch"),
        ({"sub": None}, "no_subject"),
        ({"sub": ""}, "no_subject"),
        ({"sub": 7}, "no_subject"),
        ({"sub": "a" * 256}, "no_subject"),
        ({"sub": "alice\x00"}, "no_subject"),
        ({"sub": "alice\nbob"}, "no_subject"),
        ({"sub": "alice\ud800"}, "no_subject"),
        ({"client_id": "other"}, "client_mismatch"),
        ({"client_id": None}, "client_mismatch"),
        ({"client_id": ["portal"]}, "client_mismatch"),
        ({"client_id": None, "azp": "portal"}, "client_mismatch"),
        ({"client_id": "PORTAL"}, "client_mismatch"),
    ],
)
def test_a_token_that_does_not_meet_the_rule_is_refused(
    refusal: Refusal, issuer: Issuer, changed: dict[str, Any], reason: str
) -> None:
    assert refusal(issuer.token(**from_now(changed))) == reason


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": In(5)},
        {"exp": In(-40)},
        {"exp": In(100.5)},
        {"iat": In(50), "nbf": In(50)},
        {"iat": None},
        {"aud": None},
        {"aud": ["a", "b"]},
        {"scope": None},
    ],
)
def test_clocks_may_differ_by_a_minute_and_what_is_not_asked_for_may_be_anything(
    invoke: Invoke, issuer: Issuer, changed: dict[str, Any]
) -> None:
    assert invoke(token=issuer.token(**from_now(changed))).status == 200


def claim(name: str, kind: str, operator: str, **value: Any) -> dict[str, Any]:
    return {
        "inboundTokenClaimName": name,
        "inboundTokenClaimValueType": kind,
        "authorizingClaimMatchValue": {"claimMatchOperator": operator, "claimMatchValue": value},
    }


RULE: dict[str, Any] = {
    "allowed_audience": ("daiko", "api://agents"),
    "allowed_clients": ("portal", "cli"),
    "allowed_scopes": ("agents", "agents:all"),
    "custom_claims": (
        claim("department", "STRING", "EQUALS", matchValueString="support"),
        claim("teams", "STRING_ARRAY", "CONTAINS", matchValueString="a"),
        claim("roles", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList=["x", "y"]),
    ),
}
OTHER_AUDIENCES: tuple[Any, ...] = (None, "other", [], ["x"], 7, {})
GOOD: dict[str, Any] = {"department": "support", "teams": ["a", "b"], "roles": ["y", "z"]}


@pytest.fixture
def strict(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent with every kind of restriction."""
    asked = configured(issuer, url=upstream.url, **RULE)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["other", "api://agents"]},
        {"client_id": "cli"},
        {"scope": "openid agents:all"},
        {"scope": None, "scp": ["agents"]},
        {"scope": None, "scp": "x agents"},
    ],
)
def test_a_token_that_meets_every_kind_passes(
    strict: Agent, invoke: Invoke, issuer: Issuer, changed: dict[str, Any]
) -> None:
    assert invoke(token=issuer.token(**{**GOOD, **changed})).status == 200


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        *(({"aud": aud}, "audience_mismatch: aud") for aud in OTHER_AUDIENCES),
        *(({"client_id": v}, "client_mismatch: client_id") for v in (None, "other", "portal ")),
        *(({"scope": v}, "scope_mismatch: scope") for v in (None, "", "agents2", "AGENTS", 7)),
        *(
            ({"department": v}, "custom_claim_mismatch: department")
            for v in (None, "x", 7, ["support"])
        ),
        *(
            ({"teams": v}, "custom_claim_mismatch: teams")
            for v in (None, [], ["b"], "a", "abc", ["a", 7])
        ),
        *(({"roles": v}, "custom_claim_mismatch: roles") for v in (None, [], ["w"], "x")),
    ],
)
def test_one_kind_that_is_not_met_is_enough_to_refuse(
    strict: Agent, refusal: Refusal, issuer: Issuer, changed: dict[str, Any], expected: str
) -> None:
    reason, _, named = expected.partition(": ")

    said = refusal(issuer.token(**{**GOOD, **changed}))

    assert said == reason
    assert f"Claim '{named}' value mismatch with configuration." in refusal.message


def test_a_key_of_the_same_id_that_is_not_the_issuers_is_refused(
    refusal: Refusal, issuer: Issuer
) -> None:
    token = issuer.token(key=RSAKey.generate_key(2048, {"kid": "first"}))

    assert refusal(token) == "bad_signature"


def test_another_issuers_token_is_refused_though_it_names_this_one(
    refusal: Refusal, issuer: Issuer
) -> None:
    token = issuer.token(key=signing_key("elsewhere"))

    assert refusal(token) == "unknown_key"


def test_a_rotated_key_is_found_and_the_one_before_it_is_over(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    old = issuer.token()
    assert invoke(token=old).status == 200

    issuer.keys = [signing_key("second")]

    assert invoke(token=issuer.token()).status == 200
    assert invoke(token=old).status == 401
    assert events(agent)[-1][2] == "unknown_key"


def test_while_the_issuer_is_away_its_known_keys_serve(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    assert invoke().status == 200
    issuer.answer(DISCOVERY, status=503)
    issuer.answer(JWKS, status=503)

    assert invoke().status == 200
    assert invoke(token=issuer.token(key=signing_key("second"))).status == 401
    assert issuer.times_asked(JWKS) == 1


def test_an_issuer_that_was_never_reached_lets_nobody_in(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    issuer.answer(DISCOVERY, status=503)

    reply = invoke()

    assert reply.status == 503
    assert issuer.url not in reply.message
    assert refusal_of(agent) == "issuer_unavailable"
    assert upstream.calls == []


def test_a_document_that_names_another_issuer_lets_nobody_in(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    issuer.metadata["issuer"] = "https://idp.example"

    assert invoke(token=issuer.token()).status == 503
    assert refusal_of(agent) == "issuer_unavailable"
    assert upstream.calls == []


def test_a_scheme_in_other_letters_is_the_same_scheme(invoke: Invoke, issuer: Issuer) -> None:
    reply = invoke(token=None, headers={"authorization": f"bEaReR  {issuer.token()}"})

    assert reply.status == 200


@pytest.mark.parametrize(
    ("changed", "compared"),
    [
        ({"client_id": "other"}, (["other"], ["cli", "portal"])),
        ({"client_id": None, "azp": "other"}, ([], ["cli", "portal"])),
        ({"client_id": 7}, (["7"], ["cli", "portal"])),
        ({"aud": "other"}, (["other"], ["api://agents", "daiko"])),
        ({"scope": "x"}, (["x"], ["agents", "agents:all"])),
        ({"department": "x"}, (["department: …"], ["department EQUALS support"])),
    ],
)
def test_whose_good_token_the_rule_refused_is_on_record(
    strict: Agent,
    invoke: Invoke,
    issuer: Issuer,
    changed: dict[str, Any],
    compared: tuple[list[str], list[str]],
) -> None:
    assert invoke(token=issuer.token(**{**GOOD, "sub": "bob", **changed})).status == 401

    event = AuditEvent.objects.filter(agent=strict.agent_id).latest("pk")
    assert (event.subject_iss, event.subject_sub, event.client) == (issuer.url, "bob", "")
    assert (event.detail["found"], event.detail["expected"]) == compared


def test_whoever_a_bad_token_names_is_not_on_record(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    invoke(token=issuer.token(sub="bob", exp=1))
    invoke(token=issuer.token(sub="bob", key=RSAKey.generate_key(2048, {"kid": "first"})))

    events_of = AuditEvent.objects.filter(agent=agent.agent_id, action="agent.invocation")
    assert [event.subject_sub for event in events_of] == ["", ""]
