from __future__ import annotations

from typing import Any

import pytest

from agents.policies import conditions
from agents.policies.conditions import Unsupported
from agents.policies.facts import KINDS

SCOPE = "bedrock-agentcore:InboundJwtClaim/scope"
WHO = "aws:PrincipalArn"
BATCH = "arn:aws:bedrock-agentcore:us-east-1:0:workload-identity-directory/default/x/batch"


def holds(operator: str, key: str, wanted: Any, *given: str) -> bool:
    """Say whether the one condition holds where the request's fact has the values `given`."""
    (condition,) = conditions.read({operator: {key: wanted}})
    return condition.holds({key.lower(): given})


@pytest.mark.parametrize(
    ("operator", "wanted", "fits", "does_not"),
    [
        ("StringEquals", "alice", "alice", "Alice"),
        ("StringEqualsIgnoreCase", "alice", "Alice", "bob"),
        ("StringLike", "ali*", "alice", "bob"),
        ("StringEquals", ["alice", "bob"], "bob", "charlie"),
    ],
)
def test_texts_are_compared(operator: str, wanted: Any, fits: str, does_not: str) -> None:
    negated = operator.replace("String", "StringNot")
    key = "bedrock-agentcore:userid"

    assert holds(operator, key, wanted, fits)
    assert not holds(operator, key, wanted, does_not)
    assert not holds(negated, key, wanted, fits)
    assert holds(negated, key, wanted, does_not)


@pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike"])
def test_arns_are_compared_part_by_part(operator: str) -> None:
    assert holds(operator, WHO, BATCH, BATCH)
    assert holds(operator, WHO, "arn:*:*:us-east-1:0:*/batch", BATCH)
    assert not holds(operator, WHO, "arn:aws:*:0:x:batch", BATCH)
    assert holds(operator.replace("Arn", "ArnNot"), WHO, "arn:aws:iam::0:user/x", BATCH)


@pytest.mark.parametrize(
    ("network", "address", "expected"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "198.51.100.1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::ffff:192.0.2.0/120", "192.0.2.7", True),
        ("::ffff:192.0.2.0/120", "198.51.100.7", False),
    ],
)
def test_addresses_are_within_networks(network: str, address: str, expected: bool) -> None:
    assert holds("IpAddress", "aws:SourceIp", network, address) is expected
    assert holds("NotIpAddress", "aws:SourceIp", network, address) is not expected


@pytest.mark.parametrize(
    ("operator", "before", "same", "after"),
    [
        ("DateEquals", False, True, False),
        ("DateNotEquals", True, False, True),
        ("DateLessThan", True, False, False),
        ("DateLessThanEquals", True, True, False),
        ("DateGreaterThan", False, False, True),
        ("DateGreaterThanEquals", False, True, True),
    ],
)
def test_times_are_compared(operator: str, before: bool, same: bool, after: bool) -> None:
    for wanted in ("2026-01-01T12:00:00Z", "1767268800", 1767268800):
        asked = [
            holds(operator, "aws:CurrentTime", wanted, f"2026-01-01T{time}+01:00")
            for time in ("12:59:59", "13:00:00", "13:00:01")
        ]

        assert asked == [before, same, after]


@pytest.mark.parametrize("wanted", ["false", False])
def test_flags_are_compared(wanted: Any) -> None:
    assert holds("Bool", "aws:ViaAWSService", wanted, "false")
    assert not holds("Bool", "aws:ViaAWSService", wanted, "true")


def test_a_fact_that_is_not_there_fits_nothing() -> None:
    assert not holds("StringEquals", SCOPE, "a")
    assert holds("StringNotEquals", SCOPE, "a")
    assert not holds("ForAnyValue:StringNotEquals", SCOPE, "a")
    assert holds("StringEqualsIfExists", SCOPE, "a")
    assert not holds("StringEqualsIfExists", SCOPE, "a", "b")


def test_of_several_values_one_fits_and_none_may_be_ruled_out() -> None:
    assert holds("StringEquals", SCOPE, "a", "a", "b")
    assert not holds("StringNotEquals", SCOPE, "a", "a", "b")
    assert holds("ForAnyValue:StringEquals", SCOPE, "a", "a", "b")
    assert holds("ForAnyValue:StringNotEquals", SCOPE, "a", "a", "b")


def test_all_conditions_of_a_block_are_read() -> None:
    read = conditions.read(
        {"StringEquals": {SCOPE: "a", WHO: "b"}, "Bool": {"AWS:viaawsservice": "true"}}
    )

    assert [condition.key for condition in read] == [
        SCOPE.lower(),
        WHO.lower(),
        "aws:viaawsservice",
    ]


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"NumericEquals": {"aws:EpochTime": "1"}}, "NumericEquals"),
        ({"ForAllValues:StringEquals": {SCOPE: "a"}}, "ForAllValues:StringEquals"),
        ({"Null": {SCOPE: "true"}}, "Null"),
        ({"stringequals": {SCOPE: "a"}}, "stringequals"),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, "aws:SourceVpc"),
        ({"StringEquals": {"aws:SourceIp": "192.0.2.1"}}, "aws:SourceIp"),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.1/24"}}, "192.0.2.1/24"),
        ({"IpAddress": {WHO: "192.0.2.1"}}, WHO),
        ({"ArnLike": {WHO: "batch"}}, "batch"),
        ({"Bool": {"aws:ViaAWSService": "yes"}}, "yes"),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}, "2026-01-01"),
        ({"DateLessThan": {"aws:CurrentTime": "9" * 30}}, "999"),
        ({"StringEquals": {SCOPE: "${aws:username}"}}, "${aws:username}"),
        ({"StringEquals": {SCOPE: []}}, SCOPE),
        ({"StringEquals": {SCOPE: ["a", None]}}, SCOPE),
        ({"StringEquals": {SCOPE: ""}}, SCOPE),
        ({"StringEquals": "a"}, "StringEquals"),
        ({"StringEquals": {}}, "StringEquals"),
        ({}, "Condition"),
        ([], "Condition"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(block: Any, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        conditions.read(block)

    assert named in str(caught.value)


def test_every_fact_can_be_asked_for() -> None:
    operators = {
        "text": "StringLike",
        "ARN": "ArnLike",
        "IP address": "IpAddress",
        "time": "DateEquals",
    }
    values = {"ARN": "arn:aws:iam::0:user/x", "IP address": "192.0.2.1", "time": "0"}
    for key, kind in KINDS.items():
        assert conditions.read(
            {operators.get(kind.value, "Bool"): {key: values.get(kind.value, "true")}}
        )
