from __future__ import annotations

import json
from typing import Any

import pytest

from agents.policies import document
from core.errors import InvalidRequest

ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def written(*statements: Any, **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **members})


def test_a_policy_is_read() -> None:
    deny = {
        "Sid": "NoBatch",
        "Effect": "Deny",
        "Principal": {"AWS": ["arn:a", "000000000000"]},
        "Action": ["bedrock-agentcore:Invoke*"],
        "Resource": "arn:b",
        "Condition": {"Bool": {"aws:ViaAWSService": "false"}},
    }

    first, second = document.parse(written(ALLOW, deny, Id="mine")).statements

    assert (first.sid, first.denies, set(first.principals)) == ("", False, {"*"})
    assert (second.sid, second.denies) == ("NoBatch", True)
    assert second.principals == {"arn:a", "000000000000"}
    assert second.actions == ("bedrock-agentcore:Invoke*",)
    assert len(second.conditions) == 1


def test_one_statement_needs_no_list() -> None:
    assert len(document.parse(written(Statement=ALLOW)).statements) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("[" * 20_000, "not JSON"),
        (" " * 20_481, "20480"),
        ("[]", "no object"),
        ('{"Version": "2012-10-17", "Version": "2012-10-17"}', "twice"),
        (written(ALLOW, Version="2008-10-17"), "2012-10-17"),
        (written(ALLOW, Id=1), "Id"),
        (written(ALLOW, Extra=1), "Extra"),
        (written(), "Statement"),
        (written("x"), "Statement 1"),
        (written(ALLOW, {**ALLOW, "NotAction": "*"}), "Statement 2, NotAction"),
        (written({**ALLOW, "NotPrincipal": "*"}), "NotPrincipal"),
        (written({**ALLOW, "NotResource": "*"}), "NotResource"),
        (written({**ALLOW, "Sid": "a/b"}), "Sid"),
        (written({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), "same Sid"),
        (written({**ALLOW, "Effect": "allow"}), "Effect"),
        (written({**ALLOW, "Principal": "arn:a"}), "Principal"),
        (written({**ALLOW, "Principal": {"Service": "lambda.amazonaws.com"}}), "Principal"),
        (written({**ALLOW, "Principal": {"AWS": []}}), "Principal"),
        (written({**ALLOW, "Action": [1.5]}), "Action"),
        (written({**ALLOW, "Resource": "${aws:username}"}), "${aws:username}"),
        (written({**ALLOW, "Condition": {"Null": {"aws:SourceIp": "true"}}}), "operator Null"),
        (written({n: v for n, v in ALLOW.items() if n != "Principal"}), "Principal is missing"),
        (written({n: v for n, v in ALLOW.items() if n != "Action"}), "Action is missing"),
        (written({n: v for n, v in ALLOW.items() if n != "Resource"}), "Resource is missing"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        document.parse(text)

    assert named in str(caught.value.message)
    assert [field.name for field in caught.value.fields] == ["policy"]
