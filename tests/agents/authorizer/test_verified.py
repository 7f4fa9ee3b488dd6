"""Tokens whose signature was checked already: what is looked at all the same, and what is kept."""

from __future__ import annotations

import time
from typing import Any

import pytest
from joserfc import jws

from agents import authorizer
from agents.authorizer import Authorizer, CustomClaim, TokenRefused, verification
from agents.authorizer.verified import VerifiedTokens
from core import http, jose
from tests.fixtures.issuer import JWKS, Issuer, signing_key
from tests.fixtures.loops import Run


class Counted:
    """How often a signature was checked."""

    def __init__(self) -> None:
        self.checks = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    algorithm = jws.JWSRegistry.algorithms["RS256"]
    found, check = Counted(), algorithm.verify

    def counting(*given: Any) -> bool:
        found.checks += 1
        return check(*given)

    monkeypatch.setattr(algorithm, "verify", counting)
    return found


@pytest.fixture
def rule(issuer: Issuer) -> Authorizer:
    return Authorizer(issuer.discovery_url, allowed_clients=frozenset({"portal"}))


def verified(token: str, *rules: Authorizer) -> list[str]:
    """Return how a token fares with each rule in turn, on one event loop."""
    outcomes = []
    for rule in rules:
        try:
            caller = http.run(authorizer.verify(token, rule))
        except TokenRefused as refusal:
            outcomes.append(refusal.code)
        else:
            outcomes.append(caller.subject.sub)
    return outcomes


def test_the_signature_of_a_token_is_checked_once(
    rule: Authorizer, issuer: Issuer, counted: Counted
) -> None:
    token = issuer.token()

    assert verified(token, rule, rule, rule) == ["alice"] * 3
    assert counted.checks == 1


def test_a_second_call_stands_for_the_same(rule: Authorizer, issuer: Issuer, run: Run[Any]) -> None:
    token = issuer.token(azp="x")

    async def twice() -> list[authorizer.VerifiedCaller]:
        return [await authorizer.verify(token, rule) for _ in range(2)]

    one, other = run(twice())
    assert one == other


def test_another_token_of_the_same_person_is_checked_by_itself(
    rule: Authorizer, issuer: Issuer, counted: Counted
) -> None:
    verified(issuer.token(), rule)
    verified(issuer.token(jti="2"), rule)

    assert counted.checks == 2


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"allowed_clients": frozenset({"cli"})}, "client_mismatch"),
        ({"allowed_audience": frozenset({"x"})}, "audience_mismatch"),
        ({"allowed_scopes": frozenset({"x"})}, "scope_mismatch"),
        ({"custom_claims": (CustomClaim("x", "EQUALS", ("y",)),)}, "custom_claim_mismatch"),
    ],
)
def test_another_rule_is_noticed_at_once(
    rule: Authorizer, issuer: Issuer, counted: Counted, changed: dict[str, Any], code: str
) -> None:
    stricter = Authorizer(**{"discovery_url": rule.discovery_url, **changed})

    assert verified(issuer.token(), rule, stricter, rule) == ["alice", code, "alice"]
    assert counted.checks == 1


def test_the_end_of_a_token_is_noticed(rule: Authorizer, issuer: Issuer, time_machine: Any) -> None:
    token = issuer.token(exp=int(time.time()) + 100)
    assert verified(token, rule) == ["alice"]

    time_machine.move_to(time.time() + 158)
    assert verified(token, rule) == ["alice"]
    time_machine.shift(3)
    assert verified(token, rule) == ["expired"]
    assert len(verification._verified) == 0


def test_a_token_whose_key_was_withdrawn_stops_working(
    rule: Authorizer, issuer: Issuer, counted: Counted
) -> None:
    old = issuer.token()
    assert verified(old, rule) == ["alice"]
    issuer.keys = [signing_key("second")]

    assert verified(issuer.token(), rule) == ["alice"]  # by which the key set is renewed
    assert verified(old, rule) == ["unknown_key"]
    assert len(verification._verified) == 1


def test_a_token_whose_key_id_has_another_key_now_stops_working(
    rule: Authorizer, issuer: Issuer
) -> None:
    old = issuer.token()
    assert verified(old, rule) == ["alice"]
    issuer.keys = [
        type(signing_key("other")).import_key(
            {**signing_key("other").as_dict(private=True), "kid": "first"}
        ),
        signing_key("second"),
    ]
    verified(issuer.token(key=signing_key("second")), rule)

    assert verified(old, rule) == ["bad_signature"]


def test_a_renewal_that_brings_the_same_key_costs_no_signature(
    rule: Authorizer, issuer: Issuer, counted: Counted
) -> None:
    token = issuer.token()
    verified(token, rule)
    issuer.keys = [signing_key("first"), signing_key("second")]
    verified(issuer.token(key=signing_key("second")), rule)
    assert issuer.times_asked(JWKS) == 2

    assert verified(token, rule) == ["alice"]
    assert counted.checks == 2


def test_what_is_refused_is_not_kept(rule: Authorizer, issuer: Issuer) -> None:
    for token in (issuer.token(exp=1), issuer.token(client_id="x"), issuer.token() + "AAAA"):
        verified(token, rule)

    assert len(verification._verified) == 0


def test_a_token_is_another_ones_issuers_business(issuer: Issuer, rule: Authorizer) -> None:
    kept = VerifiedTokens()
    token = jose.parse(issuer.token())
    kept.put(token, signing_key("first"), "https://a.example")

    assert kept.get(token.raw, "https://a.example") is not None
    assert kept.get(token.raw, "https://b.example") is None


def test_neither_the_token_nor_its_signature_is_kept(issuer: Issuer) -> None:
    kept = VerifiedTokens()
    token = jose.parse(issuer.token())
    kept.put(token, signing_key("first"), "a")

    assert token.raw.rpartition(".")[2] not in repr(kept._kept)


def tokens(issuer: Issuer, number: int) -> list[jose.UnverifiedToken]:
    one = jose.parse(issuer.token())
    return [jose.UnverifiedToken(f"{one.raw}{n:05}", one.header, one.claims) for n in range(number)]


def test_so_many_are_kept_and_the_least_used_goes_first(issuer: Issuer) -> None:
    kept = VerifiedTokens(max_tokens=3)
    first, second, third, fourth = tokens(issuer, 4)
    for token in (first, second, third):
        kept.put(token, signing_key("first"), "a")
    kept.get(first.raw, "a")

    kept.put(fourth, signing_key("first"), "a")

    assert [kept.get(t.raw, "a") is None for t in (first, second, third, fourth)] == [
        *(False, True, False, False)
    ]


def test_together_they_take_so_much_room_and_no_more(issuer: Issuer) -> None:
    one = len(issuer.token()) + 5
    kept = VerifiedTokens(max_chars=3 * one)
    for token in tokens(issuer, 10):
        kept.put(token, signing_key("first"), "a")

    assert len(kept) == 3
    assert kept._chars <= 3 * one


def test_the_same_token_again_takes_no_more_room(issuer: Issuer) -> None:
    kept = VerifiedTokens()
    for _ in range(3):
        kept.put(tokens(issuer, 1)[0], signing_key("first"), "a")

    assert (len(kept), kept._chars) == (1, len(tokens(issuer, 1)[0].raw))
    kept.forget()
    assert (len(kept), kept._chars) == (0, 0)


def test_a_very_long_token_is_not_read(rule: Authorizer, issuer: Issuer, counted: Counted) -> None:
    token = issuer.token(filling="x" * 20_000)

    assert verified(token, rule) == ["malformed"]
    assert counted.checks == 0
