"""The call of an agent that runs on AWS: its URL, its headers, and who it is for.

No workload access token of this site goes to AWS, whose own identity service makes one for the
person it is told of: by their own token, or by an id that this site gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from django.utils.translation import gettext_lazy as _
from yarl import URL

from agents.aws import places
from agents.aws.errors import refusal
from agents.aws.places import Place
from core import aws
from core.errors import Forbidden, UpstreamFailed
from core.secret import Secret
from core.subject import Subject
from core.wire import hashed_body
from core.wire.respond import Headers

_SIGNED_AS = "bedrock-agentcore"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
_USER_ID = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
_BODY_HASH = "X-Amz-Content-SHA256"
_SIGNATURE = (_BODY_HASH, "X-Amz-Date", "X-Amz-Security-Token", "Authorization")
_CUSTOM_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-"
# Ours to an agent here: credentials that mean nothing at AWS, and what AWS says itself.
_NOT_FOR_AWS = frozenset(
    {"authorization", "workloadaccesstoken", "oauth2callbackurl", "content-length", "host"}
)
# AWS makes a workload access token for the id, and takes 128 characters for it.
_MAX_USER_ID_CHARS = 128
_ISSUER_CHARS = 32


class NoPersonsToken(Forbidden):
    """The runtime is called with a person's token, and the call has none."""

    code = "no_persons_token"
    message = _("The agent runs on AWS and is called with a person's own token; there is none.")


class AwsCredentialsMissing(UpstreamFailed):
    """This site has no AWS credentials, or cannot get them, and so cannot sign."""

    code = "aws_credentials_missing"
    message = _("This site has no AWS credentials to call the agent with.")


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent to AWS, to `url` exactly as it stands, since a signature covers it."""

    url: str
    headers: Headers
    body: AsyncIterator[bytes]
    length: int | None


async def prepared(
    place: Place,
    *,
    called_with: str,
    method: str = "POST",
    below: str = "",
    headers: Headers,
    subject: Subject | None,
    user_token: Secret | None,
    session_id: str,
    body: AsyncIterable[bytes],
    length: int | None,
    held: AsyncExitStack,
) -> Call:
    """Return the call of the runtime at `place`, on behalf of `subject`.

    `below` is the path of something else than the agent itself, such as its card.
    `headers` are those that pass to the agent; of them AWS gets what is not meant for an agent
    here. With a token the body streams. A signature covers it, so then it is read whole first:
    kept in memory up to a mebibyte, and in a file without a name beyond, which `held` closes. How
    long it may be `body` itself bounds.

    Raises:
        NoPersonsToken: the runtime takes tokens, and there is none.
        AwsCredentialsMissing: there is nothing to sign with.
        InvalidRequest: the body does not come; or whatever `body` raises.
    """
    # The first client of a region is made of files.
    url = await asyncio.to_thread(url_of, place, below)
    sent = [*_passed(headers), (SESSION, session_id)]
    if called_with == places.BEARER:
        if user_token is None:
            raise NoPersonsToken
        sent.append(("Authorization", f"Bearer {user_token.reveal()}"))
        return Call(url, sent, aiter(body), length)
    if subject is not None:
        sent.append((_USER_ID, user_id_of(subject)))
    whole = await hashed_body.read(body, held=held)
    signed = await asyncio.to_thread(_signed, method, url, place.region, sent, whole.sha256)
    return Call(url, signed, whole.chunks, whole.size)


def url_of(place: Place, below: str = "") -> str:
    """Return the URL that invokes the runtime, as an HTTP client of ours puts it on the wire.

    The endpoint is AWS's, or that of the operator's `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE`.
    """
    return _url(place, f"invocations{below}")


def stop_url_of(place: Place) -> str:
    """Return the URL that stops a session of the runtime."""
    return _url(place, "stopruntimesession")


def _url(place: Place, what: str) -> str:
    try:
        endpoint = aws.client(places.SERVICE, place.runtime_arn).meta.endpoint_url
    except BotoCoreError as exc:
        raise refusal(exc) from exc
    runtime, qualifier = quote(place.runtime_arn, safe=""), quote(place.qualifier, safe="")
    return str(URL(f"{endpoint}/runtimes/{runtime}/{what}?qualifier={qualifier}"))


def user_id_of(subject: Subject) -> str:
    """Return the id by which AWS knows a person whom this site answers for.

    AWS advises to partition ids by who identified the user: two issuers may have the same `sub`.
    So the issuer's SHA-256, cut to 128 bits, then a plus sign, then `sub`, percent-encoded; where
    that is longer than AWS takes, an equals sign and the SHA-256 of `sub`. Neither sign is in what
    percent-encoding gives, so nobody's id can be another's.
    """
    issuer = sha256(subject.iss.encode()).hexdigest()[:_ISSUER_CHARS]
    plain = f"{issuer}+{quote(subject.sub, safe='')}"
    if len(plain) <= _MAX_USER_ID_CHARS:
        return plain
    return f"{issuer}+={sha256(subject.sub.encode()).hexdigest()}"


def session_id_of(session_id: str, owner: Subject) -> str:
    """Return the id of a session at AWS, for one of this site that is `owner`'s.

    AWS binds a session to nobody. So the owner is in the id, and no two people share one there,
    whatever id they choose here: its length goes before it, since both may hold any character.
    """
    said = f"{len(owner.owner)}:{owner.owner}:{session_id}"
    return "session-" + sha256(said.encode()).hexdigest()


def _passed(headers: Headers) -> Headers:
    """Return the headers that mean at AWS what they mean here."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _NOT_FOR_AWS
        and (name.lower().startswith(_CUSTOM_PREFIX) or not name.lower().startswith("x-amz"))
    ]


def _signed(method: str, url: str, region: str, headers: Headers, body_sha256: str) -> Headers:
    """Return the headers with a signature of this site over them. May ask for credentials."""
    try:
        credentials = aws.credentials()
    except BotoCoreError as exc:
        raise AwsCredentialsMissing(detail=aws.error_code(exc)) from None
    if credentials is None:
        raise AwsCredentialsMissing(detail="none found")
    request = AWSRequest(method=method, url=url)
    for name, value in headers:
        # What SigV4 asks for, and what AgentCore reads. Others may hold octets beyond ASCII, of
        # which nobody says how they are signed.
        if name.lower() == "content-type" or name.lower().startswith("x-amz"):
            request.headers.add_header(name, value)
    # Where this header is there, it is what is signed in place of a body.
    request.headers[_BODY_HASH] = body_sha256
    SigV4Auth(credentials, _SIGNED_AS, region).add_auth(request)
    return [
        *headers,
        *((name, request.headers[name]) for name in _SIGNATURE if name in request.headers),
    ]
