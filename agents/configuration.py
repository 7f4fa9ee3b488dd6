"""What an agent's version says, and every reason for which it is refused.

A configuration that could be read in two ways, or that opens an agent without saying so, is not
stored. The rules are those of the wire API (`authorizerConfiguration`,
`requestHeaderConfiguration`), so that what is registered here can be registered there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.utils.translation import gettext as _

from agents.gateway.headers import MAX_ALLOWED, may_be_allowed
from agents.models import AgentVersion
from agents.models.registry import SESSION_IDLE_S, SESSION_LIFETIME_S
from core import http
from core.errors import FieldError, InvalidRequest

_MAX_URL_CHARS = 2048
_DISCOVERY_URL = re.compile(
    r"[^\s?#]+/\.well-known/(openid-configuration|oauth-authorization-server)(/[^\s?#]+)?"
)
_PLAIN = re.compile(r"[\x21-\x7e]{1,255}")  # an audience or a client id
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")  # RFC 6749 section 3.3
_CLAIM_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
_CLAIM_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,255}")
_OPERATORS = {"STRING": ("EQUALS",), "STRING_ARRAY": ("CONTAINS", "CONTAINS_ANY")}
RESTRICTIONS = ("allowed_audience", "allowed_clients", "allowed_scopes", "custom_claims")


class ConfigurationRefused(InvalidRequest):
    """The configuration is not stored; `fields` says where it is wrong, and why."""

    code = "configuration_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Where an agent runs and who may call it: all that one version holds."""

    url: str
    protocol: str = AgentVersion.Protocol.HTTP
    path: str = ""
    port: int | None = None
    auth_mode: str = AgentVersion.AuthMode.JWT
    discovery_url: str = ""
    allowed_audience: tuple[str, ...] = ()
    allowed_clients: tuple[str, ...] = ()
    allowed_scopes: tuple[str, ...] = ()
    custom_claims: tuple[dict[str, Any], ...] = ()
    client_claims: tuple[str, ...] = ()
    advertised_scopes: Mapping[str, str] = field(default_factory=dict)
    allowed_workloads: tuple[str, ...] = ()
    resource_identifier: str = ""
    header_allowlist: tuple[str, ...] = ()
    session_idle_s: int = SESSION_IDLE_S
    session_lifetime_s: int = SESSION_LIFETIME_S
    role_arn: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, version: AgentVersion) -> Configuration:
        """Return what `version` says."""
        said: dict[str, Any] = {}
        for column in fields(cls):
            value = getattr(version, column.name)
            said[column.name] = tuple(value) if isinstance(value, list) else value
        return cls(**said)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the version that says this."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def asks_for_tokens(self) -> bool:
        """Say whether callers have to show a person's token."""
        return self.auth_mode == AgentVersion.AuthMode.JWT


def check(
    asked: Configuration, *, before: Configuration | None = None, may_drop_authorizer: bool = False
) -> None:
    """Return if `asked` may be stored, in place of `before` if there is one.

    Raises:
        ConfigurationRefused: with every reason, each at its field; also where people's tokens would
            not be asked for any more, and nobody said so.
    """
    found: list[FieldError] = []
    for name, rule in _RULES:
        found += [FieldError(name, reason) for reason in rule(asked)]
    drops = before is not None and before.asks_for_tokens and not asked.asks_for_tokens
    if drops and not may_drop_authorizer:
        reason = _(
            "People's tokens would not be checked any more: every holder of an access key could "
            "call this agent. Tick this if that is what you want."
        )
        found.append(FieldError("may_drop_authorizer", reason))
    if found:
        listed = " ".join(str(error.message) for error in found)
        raise ConfigurationRefused(listed, fields=tuple(found))


Rule = Callable[[Configuration], Iterator[str]]


def _url(asked: Configuration) -> Iterator[str]:
    if len(asked.url) > _MAX_URL_CHARS:
        yield _("The URL is longer than %(max)d characters.") % {"max": _MAX_URL_CHARS}
        return
    yield from _unreachable(asked.url)
    if "?" in asked.url or "#" in asked.url:
        yield _("The URL may have no query and no fragment: /invocations is added to it.")
        return
    for added in ("/invocations", "/ping"):
        if asked.url.rstrip("/").endswith(added):
            yield _("%(added)s is added to the URL by itself. Write %(url)s") % {
                "added": added,
                "url": asked.url.rstrip("/").removesuffix(added),
            }


def _protocol(asked: Configuration) -> Iterator[str]:
    if asked.protocol not in AgentVersion.Protocol:
        yield _("This protocol is not known.")


def _auth_mode(asked: Configuration) -> Iterator[str]:
    if asked.auth_mode not in AgentVersion.AuthMode:
        yield _("Callers prove themselves with a person's token or with an access key.")


def _no_token(asked: Configuration, field: str) -> Iterator[str]:
    if asked.auth_mode == AgentVersion.AuthMode.SIGV4 and getattr(asked, field):
        yield _("Calls that are signed with an access key carry no token: leave this empty.")


def _discovery_url(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "discovery_url")
    if not asked.asks_for_tokens:
        return
    if not asked.discovery_url:
        yield _("Say where the issuer of the tokens publishes its metadata.")
    elif len(asked.discovery_url) > _MAX_URL_CHARS or not _DISCOVERY_URL.fullmatch(
        asked.discovery_url
    ):
        yield _(
            "The discovery URL has to end in /.well-known/openid-configuration or in "
            "/.well-known/oauth-authorization-server."
        )
    else:
        yield from _unreachable(asked.discovery_url)


def _allowed_audience(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "allowed_audience")
    yield from _unlike(_PLAIN, asked.allowed_audience)


def _allowed_clients(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "allowed_clients")
    yield from _unlike(_PLAIN, asked.allowed_clients)
    if asked.asks_for_tokens and not any(getattr(asked, name) for name in RESTRICTIONS):
        yield _(
            "Any token of the issuer would do. Name at least one client, audience, scope or claim."
        )


def _allowed_scopes(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "allowed_scopes")
    yield from _unlike(_SCOPE, asked.allowed_scopes)


def _custom_claims(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "custom_claims")
    for number, claim in enumerate(asked.custom_claims, start=1):
        reason = _wrong_claim(claim)
        if reason:
            yield _("Claim %(number)d: %(reason)s") % {"number": number, "reason": reason}


def _header_allowlist(asked: Configuration) -> Iterator[str]:
    names = [name.lower() for name in asked.header_allowlist]
    if len(names) > MAX_ALLOWED:
        yield _("At most %(max)d headers may pass.") % {"max": MAX_ALLOWED}
    if len(set(names)) < len(names):
        yield _("A header stands twice; upper and lower case are the same.")
    for name in asked.header_allowlist:
        if not _HEADER.fullmatch(name):
            yield _("“%(name)s” is not the name of a header.") % {"name": name[:80]}
        elif not may_be_allowed(name.lower()):
            yield _("“%(name)s” never passes to an agent.") % {"name": name}
        elif name.lower() == "authorization" and not asked.asks_for_tokens:
            yield _("“Authorization” passes only where callers show a person's token.")


_RULES: tuple[tuple[str, Rule], ...] = (
    ("url", _url),
    ("protocol", _protocol),
    ("auth_mode", _auth_mode),
    ("discovery_url", _discovery_url),
    ("allowed_audience", _allowed_audience),
    ("allowed_clients", _allowed_clients),
    ("allowed_scopes", _allowed_scopes),
    ("custom_claims", _custom_claims),
    ("header_allowlist", _header_allowlist),
)


def _unreachable(url: str) -> Iterator[str]:
    try:
        http.check_url(url)
    except http.HttpRefused as exc:
        yield str(exc.message)


def _unlike(pattern: re.Pattern[str], values: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for value in values:
        if not pattern.fullmatch(value):
            yield _(
                "“%(value)s” holds a blank or another character that cannot stand here, or is too "
                "long."
            ) % {"value": value[:80]}
        if value in seen:
            yield _("“%(value)s” stands twice.") % {"value": value[:80]}
        seen.add(value)


def _wrong_claim(claim: Any) -> str:
    """Return why `claim` is not one of the wire API's `customClaims`; the empty string: it is."""
    try:
        name, kind = claim["inboundTokenClaimName"], claim["inboundTokenClaimValueType"]
        match = claim["authorizingClaimMatchValue"]
        operator, value = match["claimMatchOperator"], match["claimMatchValue"]
        given = {key: inner for key, inner in value.items() if inner is not None}
    except (TypeError, KeyError, AttributeError):
        return _(
            "it needs inboundTokenClaimName, inboundTokenClaimValueType and "
            "authorizingClaimMatchValue with claimMatchOperator and claimMatchValue."
        )
    if not isinstance(name, str) or not _CLAIM_NAME.fullmatch(name):
        return _("its name may hold letters, digits and the characters _ . : -")
    if name == "scp":
        # The real service's own words.
        return (
            "Custom claim name can't be 'scp'. Please configure claims in the allowed_scopes field"
        )
    if not isinstance(kind, str) or operator not in _OPERATORS.get(kind, ()):
        return _("STRING is compared by EQUALS, STRING_ARRAY by CONTAINS or CONTAINS_ANY.")
    return _wrong_match(operator, given)


def _wrong_match(operator: str, given: dict[str, Any]) -> str:
    wanted = "matchValueStringList" if operator == "CONTAINS_ANY" else "matchValueString"
    if set(given) != {wanted}:
        return _("%(operator)s takes %(wanted)s.") % {"operator": operator, "wanted": wanted}
    values = given[wanted] if operator == "CONTAINS_ANY" else [given[wanted]]
    if not isinstance(values, list) or not values:
        return _("it needs a value.")
    if not all(isinstance(item, str) and _CLAIM_VALUE.fullmatch(item) for item in values):
        return _("its values may hold letters, digits and the characters _ . -")
    return ""
