"""Which headers pass to an agent, and which the platform sets itself."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote

from agents.errors import HeaderNotAllowed
from agents.gateway.messages import Inbound
from core.secret import Secret
from core.subject import Subject
from core.wire.respond import Headers

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
USER_ID = "x-amzn-bedrock-agentcore-runtime-user-id"
REQUEST_ID = "x-amzn-bedrock-agentcore-runtime-request-id"
# The site's own page, at which the signed-in person completes a consent.
CALLBACK_PATH = "/connections/complete/"
CUSTOM_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-"

# Verified facts about the person. Set by the platform where the allow-list names them; a caller's
# own values never pass.
CUSTOM_USER_ID = CUSTOM_PREFIX + "user-id"
CUSTOM_USER_NAME = CUSTOM_PREFIX + "user-name"
CUSTOM_USER_GROUPS = CUSTOM_PREFIX + "user-groups"
# The second is the newer SDKs'; those for A2A and AG-UI read the first alone.
_TOKEN = ("WorkloadAccessToken", "X-Amz-Bedrock-AgentCore-Identity-WAT")
_PLATFORM = {CUSTOM_USER_ID, CUSTOM_USER_NAME, CUSTOM_USER_GROUPS}

# Content headers that the protocol itself carries, whatever the allow-list.
_PROTOCOL = {"content-type", "accept"}
_TRACE = {"tracestate", "baggage"}
_random = random.Random()  # noqa: S311  (see where it is used)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What no value may hold (RFC 9110 section 5.5); a query can.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MAX_ALLOWED = 20
MAX_VALUE_BYTES = 4096

# Never forwarded and never allow-listed: the wire API's own list, and what it forgot. Credentials
# for us, the transport's own, what a browser or a proxy says of itself, and what decides about
# caching, ranges and origins.
RESTRICTED = frozenset(
    (
        *("accept", "accept-charset", "accept-ch", "accept-ch-lifetime", "accept-encoding"),
        *("accept-language", "accept-ranges", "cache-control", "clear-site-data", "connection"),
        *("content-encoding", "content-language", "content-length", "content-location"),
        *("content-range", "content-security-policy", "content-security-policy-report-only"),
        *("content-type", "cookie", "date", "downlink", "dpr", "ect", "etag", "expect"),
        *("expect-ct", "expires", "feature-policy", "forwarded", "from", "host", "if-match"),
        *("if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive"),
        *("last-modified", "link", "location", "oauth2callbackurl", "origin"),
        *("permissions-policy", "pragma", "public-key-pins", "public-key-pins-report-only"),
        *("range", "referer", "referrer-policy", "retry-after", "rtt", "save-data", "server"),
        *("set-cookie", "strict-transport-security", "te", "trailer", "transfer-encoding"),
        *("true-client-ip", "upgrade", "user-agent", "vary", "via", "viewport-width", "width"),
        *("workloadaccesstoken", "www-authenticate", "x-cache", "x-client-ip"),
        *("x-cluster-client-ip", "x-content-type-options", "x-csrf-token", "x-frame-options"),
        *("x-http-method-override", "x-original-host", "x-original-url", "x-originating-ip"),
        *("x-real-ip", "x-requested-with", "x-rewrite-url", "x-served-by", "x-source-ip"),
        "x-xss-protection",
    )
)
_RESTRICTED_PREFIXES = (
    *("x-amz-", "x-amzn-", "x-forwarded", "access-control-", "cross-origin-"),
    *("sec-", "cf-", "proxy-"),
)


def may_be_allowed(name: str) -> bool:
    """Say whether an allow-list may name this header at all (lower case).

    Agents that read headers as CGI has them (RFC 3875 section 4.1.18) take `_` for `-`, and so
    would take a caller's header for one of those that are restricted, or the platform's own.
    """
    read = name.replace("_", "-")
    if read.startswith(CUSTOM_PREFIX):
        return name.startswith(CUSTOM_PREFIX) and (name == read or read not in _PLATFORM)
    return read not in RESTRICTED and not read.startswith(_RESTRICTED_PREFIXES)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the platform tells an agent of the call."""

    token: Secret | None
    subject: Subject | None
    name: str
    groups: frozenset[str]
    session_id: str
    request_id: str
    callback_url: str


def forwarded(
    received: tuple[tuple[str, str], ...],
    *,
    allowlist: frozenset[str],
    identity: Identity,
    carried: frozenset[str] = frozenset(),
) -> Headers:
    """Return the headers that go to the agent; those in `carried` are its protocol's own.

    Raises:
        HeaderNotAllowed: a custom header that the allow-list does not name, or a value that is too
            long, not UTF-8 or none that a header can have. Any other header that is not named is
            dropped: browsers and proxies add many.
    """
    sent: Headers = []
    for name, value in received:
        if name in _PLATFORM:
            continue
        if name.startswith(CUSTOM_PREFIX) and name not in allowlist:
            raise HeaderNotAllowed(f"The header {name} is not on this agent's allow-list.")
        by_protocol = name in _PROTOCOL or name in carried
        if by_protocol or (name in allowlist and _may_pass(name, carried)):
            sent.append((name, _value(name, value)))
    return sent + _trace(received) + _from_platform(allowlist, identity)


def _may_pass(name: str, carried: frozenset[str]) -> bool:
    """Say whether a listed header is neither restricted nor read as one of the protocol's own."""
    return may_be_allowed(name) and name.replace("_", "-") not in carried


def taken_from_query(inbound: Inbound) -> Inbound:
    """Return the request with what its query says in place of a header that it cannot send.

    Those are the session and custom headers, which the SDKs put into the URL of a web socket.
    """
    named = {name for name, _ in inbound.headers}
    more = tuple(
        (name.lower(), value)
        for name, value in parse_qsl(inbound.query, encoding="latin-1")
        if name.lower().startswith((SESSION, CUSTOM_PREFIX)) and name.lower() not in named
    )
    return replace(inbound, headers=inbound.headers + more)


def _value(name: str, octets: str) -> str:
    """Return a value as the client library takes it: as text, which it sends as UTF-8."""
    if len(octets) > MAX_VALUE_BYTES:
        raise HeaderNotAllowed(f"The header {name} is longer than {MAX_VALUE_BYTES} bytes.")
    if _CONTROL.search(octets):
        raise HeaderNotAllowed(f"The header {name} holds a control character.")
    try:
        return octets.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise HeaderNotAllowed(f"The header {name} is not UTF-8.") from None


def _trace(received: tuple[tuple[str, str], ...]) -> Headers:
    """Return the caller's trace context, or a fresh one where it has none that is well formed.

    W3C Trace Context sections 3.2 and 3.3; a fresh one is not sampled.
    """
    given = [value for name, value in received if name == "traceparent"]
    if len(given) != 1 or not _TRACEPARENT.fullmatch(given[0]):
        # Random for being one of many, not for being guessed by nobody.
        trace, parent = _random.getrandbits(128) or 1, _random.getrandbits(64) or 1
        return [("traceparent", f"00-{trace:032x}-{parent:016x}-00")]
    more = [(name, _value(name, value)) for name, value in received if name in _TRACE]
    return [("traceparent", given[0]), *more]


def _from_platform(allowlist: frozenset[str], identity: Identity) -> Headers:
    token = identity.token
    sent: Headers = [
        *([] if token is None else [(name, token.reveal()) for name in _TOKEN]),
        ("OAuth2CallbackUrl", identity.callback_url),
        (SESSION, identity.session_id),
        (REQUEST_ID, identity.request_id),
    ]
    if identity.subject is None:
        return sent
    # The subject is the person's own; on the wire it must fit a header, so it is percent-encoded.
    sent.append((USER_ID, _quoted(identity.subject.sub)))
    if CUSTOM_USER_ID in allowlist:
        sent.append((CUSTOM_USER_ID, _quoted(identity.subject.sub)))
    if CUSTOM_USER_NAME in allowlist:
        sent.append((CUSTOM_USER_NAME, _quoted(identity.name)))
    if CUSTOM_USER_GROUPS in allowlist:
        groups = ",".join(_quoted(group) for group in sorted(identity.groups))
        sent.append((CUSTOM_USER_GROUPS, groups))
    return sent


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
