"""A resource policy as it is written: an IAM JSON policy document, read strictly.

What is not understood is refused and named: a policy of which a part was left out would let
through what its author meant to keep out.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from agents.arns import as_documented
from agents.policies import conditions
from agents.policies.conditions import Condition, Unsupported, texts
from agents.policies.facts import Facts
from agents.policies.wildcards import matches
from core.errors import InvalidRequest, invalid

VERSION = "2012-10-17"
ACTION_PREFIX = "bedrock-agentcore:"
EVERYBODY = "*"
MAX_CHARS = 20_480  # as the wire API bounds it
_SID = re.compile(r"[A-Za-z0-9 _.-]{0,100}")
_MEMBERS = {"Version", "Id", "Statement"}
_STATEMENT_MEMBERS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule: for whom, for what, when, and whether it allows or denies."""

    sid: str
    denies: bool
    principals: frozenset[str]
    actions: tuple[str, ...]  # patterns, as written; their case does not count
    resources: tuple[str, ...]  # patterns
    conditions: tuple[Condition, ...]

    def is_about(self, action: str, resource_arn: str) -> bool:
        """Say whether the rule is one for `action`, such as InvokeAgentRuntime, on a resource."""
        asked = f"{ACTION_PREFIX}{action}".lower()
        return any(matches(pattern.lower(), asked) for pattern in self.actions) and any(
            matches(pattern, resource_arn) for pattern in self.resources
        )

    def applies(self, principals: frozenset[str], facts: Facts) -> bool:
        """Say whether the rule is for this caller, and its conditions hold."""
        return not self.principals.isdisjoint(principals) and all(
            condition.holds(facts) for condition in self.conditions
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one document, in their order."""

    statements: tuple[Statement, ...]


DENY_ALL = Policy(
    (Statement("", True, frozenset({EVERYBODY}), ("*",), ("*",), ()),),
)


def parse(text: str) -> Policy:
    """Return the policy that `text` is.

    Raises:
        InvalidRequest: it is none, or says what this site does not understand; the message has it.
    """
    if len(text) > MAX_CHARS:
        raise refused(f"it has more than {MAX_CHARS} characters")
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as exc:
        said = str(exc) if isinstance(exc, Unsupported) else "it is not JSON"
        raise refused(said) from None
    try:
        return _policy(document)
    except Unsupported as exc:
        raise refused(str(exc)) from None


def refused(said: str) -> InvalidRequest:
    """Return the refusal of a document, saying why."""
    return invalid("policy", f"The policy is not accepted: {said}.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unsupported("a member is named twice")
    return members


def _policy(document: Any) -> Policy:
    _only(document, _MEMBERS, "the document")
    if document.get("Version") != VERSION:
        raise Unsupported(f"Version has to be {VERSION}")
    if not isinstance(document.get("Id", ""), str):
        raise Unsupported("Id is no string")
    listed = document.get("Statement")
    found = listed if isinstance(listed, list) else [listed]
    if not found:
        raise Unsupported("Statement is an empty list")
    statements = tuple(
        _named(f"Statement {number}", partial(_statement, one))
        for number, one in enumerate(found, 1)
    )
    sids = [statement.sid for statement in statements if statement.sid]
    if len(sids) != len(set(sids)):
        raise Unsupported("two statements have the same Sid")
    return Policy(statements)


def _named(where: str, read: Callable[[], Statement]) -> Statement:
    try:
        return read()
    except Unsupported as exc:
        raise Unsupported(f"in {where}, {exc}") from None


def _statement(given: Any) -> Statement:
    _only(given, _STATEMENT_MEMBERS, "it")
    sid, effect = given.get("Sid", ""), given.get("Effect")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise Unsupported("Sid has other characters than letters, digits, spaces, '_', '.' and '-'")
    if effect not in ("Allow", "Deny"):
        raise Unsupported("Effect is neither Allow nor Deny")
    for name in ("Principal", "Action", "Resource"):
        if name not in given:
            raise Unsupported(f"{name} is missing")
    return Statement(
        sid=sid,
        denies=effect == "Deny",
        principals=_principals(given["Principal"]),
        actions=tuple(texts(given["Action"], "Action")),
        resources=tuple(map(as_documented, texts(given["Resource"], "Resource"))),
        conditions=conditions.read(given["Condition"]) if "Condition" in given else (),
    )


def _principals(given: Any) -> frozenset[str]:
    """Return the ARNs and accounts that are named, or everybody."""
    if given == EVERYBODY:
        return frozenset({EVERYBODY})
    if not isinstance(given, dict) or set(given) != {"AWS"}:
        raise Unsupported('Principal is neither "*" nor an object with the member AWS alone')
    return frozenset(texts(given["AWS"], "Principal"))


def _only(given: Any, known: set[str], what: str) -> None:
    if not isinstance(given, dict):
        raise Unsupported(f"{what} is no object")
    if unknown := sorted(set(given) - known):
        raise Unsupported(f"{', '.join(unknown)} is not supported")
