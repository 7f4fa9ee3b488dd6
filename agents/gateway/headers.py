"""Which headers pass to an agent, and which the platform sets itself (design section 6, line 4)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from agents.errors import HeaderNotAllowed
from agents.gateway.messages import Headers
from core.secret import Secret
from core.subject import Subject

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
USER_ID = "x-amzn-bedrock-agentcore-runtime-user-id"
REQUEST_ID = "x-amzn-bedrock-agentcore-runtime-request-id"
CUSTOM_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-"
WAT = "workloadaccesstoken"
WAT_NEW = "x-amz-bedrock-agentcore-identity-wat"
CALLBACK = "oauth2callbackurl"

# Verified facts about the person. Set by the platform where the allow-list names them; a caller's own
# values never pass.
CUSTOM_USER_ID = CUSTOM_PREFIX + "user-id"
CUSTOM_USER_NAME = CUSTOM_PREFIX + "user-name"
CUSTOM_USER_GROUPS = CUSTOM_PREFIX + "user-groups"
_PLATFORM = {CUSTOM_USER_ID, CUSTOM_USER_NAME, CUSTOM_USER_GROUPS}

# Content and trace headers that the protocol itself carries, whatever the allow-list.
_PROTOCOL = {"content-type", "accept", "traceparent", "tracestate", "baggage"}
MAX_VALUE_BYTES = 4096

# Never forwarded and never allow-listed: credentials for us, the transport's own, what a browser or
# a proxy says of itself, and what decides about caching, ranges and origins.
RESTRICTED = frozenset(
    """
    accept accept-charset accept-encoding accept-language accept-ranges cache-control
    clear-site-data connection content-encoding content-language content-length content-location
    content-range content-security-policy content-security-policy-report-only content-type cookie
    date etag expect expires forwarded from host if-match if-modified-since if-none-match if-range
    if-unmodified-since keep-alive last-modified location oauth2callbackurl origin pragma
    proxy-authenticate proxy-authorization proxy-connection range referer retry-after server
    set-cookie strict-transport-security te trailer transfer-encoding true-client-ip upgrade
    user-agent vary via workloadaccesstoken www-authenticate x-client-ip x-cluster-client-ip
    x-csrf-token x-http-method-override x-original-host x-original-url x-originating-ip x-real-ip
    x-requested-with x-rewrite-url x-source-ip
    """.split()
)
_RESTRICTED_PREFIXES = (
    "x-amz-", "x-amzn-", "x-forwarded-", "access-control-", "sec-", "cf-", "proxy-",
)  # fmt: skip


def may_be_allowed(name: str) -> bool:
    """Say whether an allow-list may name this header at all (lower case)."""
    if name.startswith(CUSTOM_PREFIX):
        return True
    return name not in RESTRICTED and not name.startswith(_RESTRICTED_PREFIXES)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the platform tells an agent of the call."""

    token: Secret
    subject: Subject | None
    name: str
    groups: frozenset[str]
    session_id: str
    request_id: str
    callback_url: str
    traceparent: str


def forwarded(
    received: tuple[tuple[str, str], ...], *, allowlist: frozenset[str], identity: Identity
) -> Headers:
    """Return the headers that go to the agent.

    Raises:
        HeaderNotAllowed: a custom header that the allow-list does not name, or a value that is too
            long. Any other header that is not named is dropped, as browsers and proxies add many.
    """
    sent: Headers = []
    for name, value in received:
        if name in _PLATFORM:
            continue
        if name.startswith(CUSTOM_PREFIX) and name not in allowlist:
            raise HeaderNotAllowed(f"The header {name} is not on this agent's allow-list.")
        if name in allowlist and may_be_allowed(name):
            if len(value.encode()) > MAX_VALUE_BYTES:
                raise HeaderNotAllowed(f"The header {name} is longer than {MAX_VALUE_BYTES} bytes.")
            sent.append((name, value))
        elif name in _PROTOCOL and name != "traceparent":
            sent.append((name, value))
    return sent + _from_platform(allowlist, identity)


def _from_platform(allowlist: frozenset[str], identity: Identity) -> Headers:
    sent: Headers = [
        ("WorkloadAccessToken", identity.token.reveal()),
        ("X-Amz-Bedrock-AgentCore-Identity-WAT", identity.token.reveal()),
        ("OAuth2CallbackUrl", identity.callback_url),
        (SESSION, identity.session_id),
        (REQUEST_ID, identity.request_id),
        ("traceparent", identity.traceparent),
    ]
    if identity.subject is None:
        return sent
    # The subject is the person's own; on the wire it must fit a header, so it is percent-encoded.
    sent.append((USER_ID, quote(identity.subject.sub, safe="")))
    facts = {
        CUSTOM_USER_ID: quote(identity.subject.sub, safe=""),
        CUSTOM_USER_NAME: quote(identity.name),
        CUSTOM_USER_GROUPS: ",".join(quote(group, safe="") for group in sorted(identity.groups)),
    }
    return sent + [(name, value) for name, value in facts.items() if name in allowlist]
