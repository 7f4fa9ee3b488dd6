"""The `Condition` of a statement: operators over the facts of a request.

Read strictly: an operator, a key or a value that is not understood makes the whole document
refused, by `Unsupported`, since a condition that is left out widens what it stands in.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt
from typing import Any

from agents.policies.facts import KINDS, Facts, Kind
from agents.policies.wildcards import matches

_ANY_VALUE = "ForAnyValue:"
_IF_EXISTS = "IfExists"
_ARN_PARTS = 6
_MAPPED_BITS = 96  # of an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2)


class Unsupported(ValueError):
    """The document says what this site does not understand; the message names it."""


@dataclass(frozen=True, slots=True)
class _Operator:
    kinds: frozenset[Kind]
    read: Callable[[str], Any]  # what a fact says; raises ValueError
    read_wanted: Callable[[str], Any]  # what the policy says; raises ValueError
    holds: Callable[[Any, Any], bool]  # of a fact and what the policy wants
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator, one key and the values of which one has to fit."""

    key: str  # in lower case
    operator: _Operator
    wanted: tuple[Any, ...]
    any_value: bool  # of a fact with several values one is enough
    if_exists: bool

    def holds(self, facts: Facts) -> bool:
        """Say whether the request is as the condition has it.

        A fact that is not there fits nothing: what asks for something does not hold, and what
        rules something out does.
        """
        values = facts.get(self.key, ())
        if self.if_exists and not values:
            return True
        fitting: Iterable[bool] = (self._fits(value) for value in values)
        return any(fitting) if self.any_value else all(fitting)

    def _fits(self, value: str) -> bool:
        given = self.operator.read(value)
        found = any(self.operator.holds(given, wanted) for wanted in self.wanted)
        return found is not self.operator.negated


def read(block: Any) -> tuple[Condition, ...]:
    """Return the conditions of a statement, all of which have to hold. Raises Unsupported."""
    return tuple(
        _condition(name, key, values)
        for name, keys in _object(block, "Condition").items()
        for key, values in _object(keys, name).items()
    )


def _condition(name: str, key: str, values: Any) -> Condition:
    bare = name.removeprefix(_ANY_VALUE).removesuffix(_IF_EXISTS)
    operator = _OPERATORS.get(bare)
    if operator is None:
        raise Unsupported(f"the operator {name} is not supported")
    kind = _KINDS.get(key.lower())
    if kind is None:
        raise Unsupported(f"the key {key} is not supported")
    if kind not in operator.kinds:
        raise Unsupported(f"{name} does not compare {key}, which is a {kind.value}")
    return Condition(
        key=key.lower(),
        operator=operator,
        wanted=tuple(_wanted(operator, key, value) for value in texts(values, key)),
        any_value=name.startswith(_ANY_VALUE) or not operator.negated,
        if_exists=name.endswith(_IF_EXISTS),
    )


def _wanted(operator: _Operator, key: str, text: str) -> Any:
    try:
        return operator.read_wanted(text)
    except (ValueError, OverflowError, OSError):  # the last two: a time that no calendar has
        raise Unsupported(f"{text!r} is no value for {key}") from None


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Return one string, or the strings of a list that is not empty. Raises Unsupported.

    A policy variable is refused: taken as it stands, it would fit nothing.
    """
    found = value if isinstance(value, list) else [value]
    if not found:
        raise Unsupported(f"{where} is an empty list")
    return tuple(_text(each, where) for each in found)


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Unsupported(f"{where} holds something that is no string")
    if "${" in value:
        raise Unsupported(f"policy variables are not supported, such as in {value!r}")
    return value


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value:
        raise Unsupported(f"{where} is no object with something in it")
    return value


def _arn_like(given: str, wanted: str) -> bool:
    parts, patterns = given.split(":", _ARN_PARTS - 1), wanted.split(":", _ARN_PARTS - 1)
    return len(parts) == len(patterns) == _ARN_PARTS and all(
        matches(pattern, part) for part, pattern in zip(parts, patterns, strict=True)
    )


def _arn_pattern(text: str) -> str:
    if len(text.split(":", _ARN_PARTS - 1)) != _ARN_PARTS:
        raise ValueError
    return text


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network as `_address` reads what is in it: of IPv4 also where IPv6 wraps it."""
    network = ipaddress.ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _moment(text: str) -> datetime:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _like(given: str, wanted: str) -> bool:
    return matches(wanted, given)


def _within(given: Any, wanted: Any) -> bool:
    return given in wanted


def _operator(
    *kinds: Kind,
    holds: Callable[[Any, Any], bool] = eq,
    read: Callable[[str], Any] = str,
    read_wanted: Callable[[str], Any] | None = None,
) -> _Operator:
    return _Operator(frozenset(kinds), read, read_wanted or read, holds)


_TEXTS = (Kind.TEXT, Kind.ARN)
_ASKING = {
    "StringEquals": _operator(*_TEXTS),
    "StringEqualsIgnoreCase": _operator(*_TEXTS, read=str.casefold),
    "StringLike": _operator(*_TEXTS, holds=_like),
    "ArnEquals": _operator(Kind.ARN, holds=_arn_like, read_wanted=_arn_pattern),
    "ArnLike": _operator(Kind.ARN, holds=_arn_like, read_wanted=_arn_pattern),
    "IpAddress": _operator(Kind.ADDRESS, holds=_within, read=_address, read_wanted=_network),
    "Bool": _operator(Kind.FLAG, read=_flag),
    "DateEquals": _operator(Kind.TIME, read=_moment),
    "DateLessThan": _operator(Kind.TIME, holds=lt, read=_moment),
    "DateLessThanEquals": _operator(Kind.TIME, holds=le, read=_moment),
    "DateGreaterThan": _operator(Kind.TIME, holds=gt, read=_moment),
    "DateGreaterThanEquals": _operator(Kind.TIME, holds=ge, read=_moment),
}
_RULING_OUT = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "DateNotEquals": "DateEquals",
}
_OPERATORS: Mapping[str, _Operator] = {
    **_ASKING,
    **{name: replace(_ASKING[asking], negated=True) for name, asking in _RULING_OUT.items()},
}
_KINDS = {name.lower(): kind for name, kind in KINDS.items()}
