"""The rule itself, without a wire: each check at its edge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import authorizer
from agents.authorizer import LEEWAY_S, Authorizer, CustomClaim, TokenRefused, check_claims
from core.jose import Claims
from core.subject import Subject

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
        ({"scp": ["a", 7, "b"]}, ("a", "b")),
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


@given(st.dictionaries(st.sampled_from(["iss", "sub", "exp", "nbf", "iat", "aud", "client_id",
                                        "scope", "scp", "a"]), JSON))  # fmt: skip
def test_any_claims_at_all_are_judged_and_break_nothing(claims: dict[str, Any]) -> None:
    rule = Authorizer(
        discovery_url="",
        allowed_audience=frozenset({"a"}),
        allowed_clients=frozenset({"a"}),
        allowed_scopes=frozenset({"a"}),
        custom_claims=(
            CustomClaim("a", "EQUALS", ("a",)),
            CustomClaim("a", "CONTAINS", ("a",)),
            CustomClaim("a", "CONTAINS_ANY", ("a", "b")),
        ),
    )

    with pytest.raises(TokenRefused):
        check_claims(Claims(claims), rule, issuer=ISSUER, now=NOW)
