"""The rule itself, without a wire: each check at its edge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import authorizer
from agents.authorizer import LEEWAY_S, Authorizer, CustomClaim, TokenRefused, check_claims
from core.jose import Claims, IssuerUnavailable
from core.subject import Subject
from tests.fixtures.issuer import DISCOVERY, Issuer, signing_key
from tests.fixtures.loops import Run

ISSUER = "https://idp.example"
NOW = 1_800_000_000.0
RULE = Authorizer(discovery_url="", allowed_clients=frozenset({"portal"}))
GOOD: dict[str, Any] = {"iss": ISSUER, "sub": "alice", "client_id": "portal", "exp": NOW + 300}


def checked(rule: Authorizer = RULE, **changed: Any) -> authorizer.VerifiedCaller:
    claims = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return check_claims(Claims(claims), rule, issuer=ISSUER, now=NOW)


def refused(rule: Authorizer = RULE, **changed: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        checked(rule, **changed)
    return caught.value.code


def test_a_good_token_stands_for_a_person_and_a_client() -> None:
    caller = checked()

    assert caller.subject == Subject(ISSUER, "alice")
    assert (caller.client_id, caller.expires_at) == ("portal", NOW + 300)


def test_a_client_that_is_not_asked_for_may_be_missing() -> None:
    rule = Authorizer(discovery_url="", allowed_audience=frozenset({"a"}))

    assert checked(rule, aud="a", client_id=None).client_id == ""
    assert checked(rule, aud="a", client_id=7).client_id == ""


@pytest.mark.parametrize(
    ("exp", "good"), [(NOW - LEEWAY_S + 0.1, True), (NOW - LEEWAY_S, False), (NOW, True)]
)
def test_expiry_has_a_minute_of_leeway_and_not_more(exp: float, good: bool) -> None:
    if good:
        checked(exp=exp)
    else:
        assert refused(exp=exp) == "expired"


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize(("ahead_s", "good"), [(LEEWAY_S, True), (LEEWAY_S + 0.1, False)])
def test_so_has_the_beginning(name: str, ahead_s: float, good: bool) -> None:
    changed: dict[str, Any] = {name: NOW + ahead_s}
    if good:
        checked(**changed)
    else:
        assert refused(**changed) == "not_yet_valid"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 10**400, True, "1", [], {}]
)
def test_what_is_no_date_is_no_expiry(value: Any) -> None:
    assert refused(exp=value) == "no_expiry"


def test_the_checks_come_in_an_order_that_tells_strangers_little() -> None:
    # A token of another issuer learns that, and nothing of what is configured.
    assert refused(iss="https://other.example", exp=0, client_id="other") == "issuer_mismatch"
    assert refused(exp=0, client_id="other") == "expired"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_has_the_wire_apis_name_for_its_status(status: int) -> None:
    error = TokenRefused("code", "Message.", status=status)

    assert error.aws == {401: "UnauthorizedException", 403: "AccessDeniedException"}[status]


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, ()),
        ({"scope": "a b"}, ("a", "b")),
        ({"scope": " a  b "}, ("a", "b")),
        ({"scp": ["a", 7, "b"]}, ()),
        ({"scope": ["a", "b"]}, ("a", "b")),
        ({"scope": "a", "scp": ["b"]}, ("a", "b")),
        ({"scope": 7, "scp": {"a": 1}}, ()),
    ],
)
def test_scopes_are_read_as_issuers_write_them(
    claims: dict[str, Any], scopes: tuple[str, ...]
) -> None:
    assert authorizer.scopes_of(Claims(claims)) == scopes


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({}, None),
        ({"groups": []}, frozenset()),
        ({"groups": "staff"}, frozenset({"staff"})),
        ({"groups": ["staff", 7, None]}, frozenset({"staff"})),
        ({"groups": {"staff": True}}, frozenset()),
        ({"groups": None}, frozenset()),
    ],
)
def test_groups_are_told_from_silence(claims: dict[str, Any], groups: Any) -> None:
    assert authorizer.groups_of(Claims(claims), "groups") == groups


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


STRICT = Authorizer(
    discovery_url="",
    allowed_audience=frozenset({"a"}),
    allowed_clients=frozenset({"a"}),
    allowed_scopes=frozenset({"a"}),
    custom_claims=(
        CustomClaim("one", "EQUALS", ("a",)),
        CustomClaim("some", "CONTAINS", ("a",)),
        CustomClaim("any", "CONTAINS_ANY", ("a", "b")),
    ),
)
MET: dict[str, Any] = {
    "aud": ["a"],
    "client_id": "a",
    "scope": "a",
    "one": "a",
    "some": ["a", "c"],
    "any": ["b"],
}
STANDARD = ["iss", "sub", "exp", "nbf", "iat"]


def test_a_token_that_meets_every_kind_passes() -> None:
    assert checked(STRICT, **MET).client_id == "a"


@given(st.dictionaries(st.sampled_from([*STANDARD, *MET, "scp"]), JSON, min_size=1, max_size=4))
def test_any_claims_at_all_are_judged_and_break_nothing(claims: dict[str, Any]) -> None:
    try:
        caller = checked(STRICT, **{**MET, **claims})
    except TokenRefused:
        return
    # What passes says nothing else where it counts.
    merged = {**GOOD, **MET, **claims}
    assert caller.subject == Subject(ISSUER, merged["sub"])
    assert "a" in (merged["aud"], *(merged["aud"] or ()))
    assert (merged["client_id"], merged["one"]) == ("a", "a")
    assert "a" in merged["some"]
    assert set(merged["any"]) & {"a", "b"}


@pytest.fixture
def rule(issuer: Issuer) -> Authorizer:
    return Authorizer(discovery_url=issuer.discovery_url, allowed_clients=frozenset({"portal"}))


def test_a_signed_token_of_the_issuer_verifies(
    rule: Authorizer, issuer: Issuer, run: Run[Any]
) -> None:
    caller = run(authorizer.verify(issuer.token(), rule))

    assert caller.subject == Subject(issuer.url, "alice")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda i: "no token", ("malformed", 403)),
        (lambda i: i.token(key=signing_key("elsewhere")), ("unknown_key", 401)),
        (lambda i: i.token() + "AAAA", ("bad_signature", 401)),
        (lambda i: i.token(client_id="other"), ("client_mismatch", 401)),
        (lambda i: i.token(exp=1), ("expired", 401)),
    ],
)
def test_any_other_token_does_not(
    rule: Authorizer, issuer: Issuer, run: Run[Any], spoil: Any, expected: tuple[str, int]
) -> None:
    with pytest.raises(TokenRefused) as caught:
        run(authorizer.verify(spoil(issuer), rule))

    assert (caught.value.code, caught.value.status) == expected


def test_nobody_verifies_while_the_issuer_is_away(
    rule: Authorizer, issuer: Issuer, run: Run[Any]
) -> None:
    issuer.answer(DISCOVERY, status=503)

    with pytest.raises(IssuerUnavailable):
        run(authorizer.verify(issuer.token(), rule))


def test_custom_claims_are_read_from_the_wire_apis_shape() -> None:
    def claim(name: str, operator: str, **value: Any) -> dict[str, Any]:
        match = {"claimMatchOperator": operator, "claimMatchValue": value}
        return {"inboundTokenClaimName": name, "authorizingClaimMatchValue": match}

    assert (
        authorizer.custom_claims_from(
            [
                claim("one", "EQUALS", matchValueString="a"),
                claim("some", "CONTAINS", matchValueString="a"),
                claim("any", "CONTAINS_ANY", matchValueStringList=["a", "b"]),
            ]
        )
        == STRICT.custom_claims
    )
