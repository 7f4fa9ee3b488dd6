"""Why a configuration is refused: one rule for each field, and each rule tells all it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from urllib.parse import unquote

from django.utils.translation import gettext as _
from yarl import URL

from agents.aws import places
from agents.configuration.claims import wrong_claim
from agents.configuration.said import Configuration
from agents.gateway.headers import MAX_ALLOWED, may_be_allowed
from agents.models import AgentVersion, WorkloadIdentity
from core import http
from core.wire import model
from core.wire.constraints import Problems, Reader, ReaderCompiler

SESSION_LIMITS_S = (60, 1_209_600)  # of the wire API
CLIENT_CLAIMS = ("azp", "appid", "cid")
_MAX_URL_CHARS = 2048
_MAX_PORT = 65_535
_MAX_ADVERTISED, _MAX_WORKLOADS = 50, 10
_DISCOVERY_URL = re.compile(
    r"[^\s?#]+/\.well-known/(openid-configuration|oauth-authorization-server)(/[^\s?#]+)?"
)
_PATH = re.compile(r"/[A-Za-z0-9\-._~/%]{0,2047}")
_PLAIN = re.compile(r"[\x21-\x7e]{1,255}")  # an audience or a client id
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")  # RFC 6749 section 3.3
_CLIENT_CLAIM = re.compile("|".join(CLIENT_CLAIMS))
_RESOURCE = re.compile(r"https://[^\s/?#@\\]+(/[^\s?#\\]*)?")  # RFC 9728 section 1.2
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,255}")
_ROLE = re.compile(r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.{1,2000}")

Rule = Callable[[Configuration], Iterator[str]]


def _url(asked: Configuration) -> Iterator[str]:
    if places.is_arn(asked.url):
        yield from places.wrong_location(asked.url)
        return
    if len(asked.url) > _MAX_URL_CHARS:
        yield _("The URL is longer than %(max)d characters.") % {"max": _MAX_URL_CHARS}
        return
    yield from _unreachable(asked.url)
    if "?" in asked.url or "#" in asked.url:
        yield _("The URL may have no query and no fragment: %(added)s is added to it.") % {
            "added": _added_to_url(asked)
        }
        return
    for added in {_added_to_url(asked), "/ping"} - {"/"}:
        if asked.url.rstrip("/").endswith(added.rstrip("/")):
            yield _("%(added)s is added to the URL by itself. Write %(url)s") % {
                "added": added,
                "url": asked.url.rstrip("/").removesuffix(added.rstrip("/")),
            }


def _added_to_url(asked: Configuration) -> str:
    return asked.path or AgentVersion.PATHS.get(asked.protocol, "/")


def _called_with(asked: Configuration) -> Iterator[str]:
    yield from places.wrong_call(
        asked.url, asked.called_with, asks_for_tokens=asked.asks_for_tokens
    )


def _protocol(asked: Configuration) -> Iterator[str]:
    if asked.protocol not in AgentVersion.Protocol:
        yield _("This protocol is not known.")


def _path(asked: Configuration) -> Iterator[str]:
    yield from places.wrong_path(asked.url, asked.path, asked.port)
    if asked.path and not _PATH.fullmatch(asked.path):
        yield _(
            "A path begins with a slash and holds nothing but letters, digits, slashes, percent "
            "signs and the characters - . _ ~"
        )
    elif {".", ".."} & set(unquote(asked.path).split("/")):
        yield _("A path leads nowhere else: “.” and “..” cannot stand in it.")


def _port(asked: Configuration) -> Iterator[str]:
    if asked.port is None:
        return
    if not 1 <= asked.port <= _MAX_PORT:
        yield _("A port is a number from 1 to %(max)d.") % {"max": _MAX_PORT}
    elif _port_in(asked.url) not in {None, asked.port}:
        yield _("The URL names another port already. Leave this empty.")


def _port_in(url: str) -> int | None:
    try:
        return URL(url).explicit_port
    except ValueError:
        return None  # the rule of the URL tells it


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
    if asked.asks_for_tokens and not asked.restricts_callers:
        yield _(
            "Any token of the issuer would do. Name at least one client, audience, scope or claim."
        )


def _allowed_scopes(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "allowed_scopes")
    yield from _unlike(_SCOPE, asked.allowed_scopes)


def _custom_claims(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "custom_claims")
    for number, claim in enumerate(asked.custom_claims, start=1):
        reason = wrong_claim(claim)
        if reason:
            yield _("Claim %(number)d: %(reason)s") % {"number": number, "reason": reason}


def _client_claims(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "client_claims")
    yield from _unlike(_CLIENT_CLAIM, asked.client_claims)
    if asked.client_claims and asked.asks_for_tokens and not asked.allowed_clients:
        yield _("They tell which claim holds the client: name the allowed clients, too.")


def _advertised_scopes(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "advertised_scopes")
    if len(asked.advertised_scopes) > _MAX_ADVERTISED:
        yield _("At most %(max)d scopes can be advertised.") % {"max": _MAX_ADVERTISED}
    for scope, shown in asked.advertised_scopes.items():
        if scope not in asked.allowed_scopes:
            yield _("“%(scope)s” is not among the allowed scopes.") % {"scope": scope[:80]}
        yield from _unlike(_SCOPE, (shown,))


def _allowed_workloads(asked: Configuration) -> Iterator[str]:
    names = asked.allowed_workloads
    if len(names) > _MAX_WORKLOADS:
        yield _("At most %(max)d workload identities can be named.") % {"max": _MAX_WORKLOADS}
    if not names:
        return
    there = set(WorkloadIdentity.objects.filter(name__in=names).values_list("name", flat=True))
    for name in names:
        if name not in there:
            yield _("There is no workload identity “%(name)s”.") % {"name": name[:80]}
    if len(set(names)) < len(names):
        yield _("A workload identity stands twice.")


def _resource_identifier(asked: Configuration) -> Iterator[str]:
    yield from _no_token(asked, "resource_identifier")
    if not asked.resource_identifier:
        return
    if len(asked.resource_identifier) > _MAX_URL_CHARS:
        yield _("The URL is longer than %(max)d characters.") % {"max": _MAX_URL_CHARS}
    elif not _RESOURCE.fullmatch(asked.resource_identifier):
        yield _("It has to be an https URL without a query and without a fragment.")


def _session_idle_s(asked: Configuration) -> Iterator[str]:
    yield from _outside(asked.session_idle_s)


def _session_lifetime_s(asked: Configuration) -> Iterator[str]:
    yield from _outside(asked.session_lifetime_s)
    if asked.session_lifetime_s < asked.session_idle_s:
        yield _("A session cannot end before it was idle for as long as it may be.")


def _outside(seconds: int) -> Iterator[str]:
    low, high = SESSION_LIMITS_S
    if not low <= seconds <= high:
        yield _("From %(low)d to %(high)d seconds.") % {"low": low, "high": high}


def _role_arn(asked: Configuration) -> Iterator[str]:
    if asked.role_arn and not _ROLE.fullmatch(asked.role_arn):
        yield _("It is not the ARN of an IAM role.")


def _network(asked: Configuration) -> Iterator[str]:
    if not asked.network:
        return
    problems = Problems()
    if _network_reader()(asked.network, "", problems) != asked.network or problems.found:
        yield _("It is not what the wire API has as networkConfiguration, such as %(example)s") % {
            "example": '{"networkMode": "PUBLIC"}'
        }


@cache
def _network_reader() -> Reader:
    operation = model.operations()["CreateAgentRuntime"].input_shape
    assert operation is not None  # noqa: S101  (for the type checker)
    shape = operation.members["networkConfiguration"]
    return ReaderCompiler().made(shape, sensitive=False)


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


RULES: tuple[tuple[str, Rule], ...] = (
    ("url", _url),
    ("called_with", _called_with),
    ("protocol", _protocol),
    ("path", _path),
    ("port", _port),
    ("auth_mode", _auth_mode),
    ("discovery_url", _discovery_url),
    ("allowed_audience", _allowed_audience),
    ("allowed_clients", _allowed_clients),
    ("allowed_scopes", _allowed_scopes),
    ("custom_claims", _custom_claims),
    ("client_claims", _client_claims),
    ("advertised_scopes", _advertised_scopes),
    ("allowed_workloads", _allowed_workloads),
    ("resource_identifier", _resource_identifier),
    ("header_allowlist", _header_allowlist),
    ("session_idle_s", _session_idle_s),
    ("session_lifetime_s", _session_lifetime_s),
    ("role_arn", _role_arn),
    ("network", _network),
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
