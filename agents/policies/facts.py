"""What is known of a request, by the names that conditions have for it.

A fact has no value, one, or several, such as the audiences of a token. Names are compared without
regard to case, as AWS does; here they stand in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from agents.authorizer import VerifiedCaller, scopes_of
from core import reference
from core.subject import OPAQUE_ISSUER, Subject

Facts = Mapping[str, tuple[str, ...]]


class Kind(Enum):
    """What the values of a fact are, which decides how they can be compared."""

    TEXT = "text"
    ARN = "ARN"
    ADDRESS = "IP address"
    TIME = "time"
    FLAG = "true or false"


_CLAIM = "bedrock-agentcore:InboundJwtClaim/"
_AUD, _CLIENT_ID, _ISS, _SCOPE, _SUB = (
    f"{_CLAIM}{name}".lower() for name in ("aud", "client_id", "iss", "scope", "sub")
)
USER_ID = "bedrock-agentcore:userid"

# Every fact that a condition may ask for, as it is written.
KINDS: Mapping[str, Kind] = {
    "aws:CurrentTime": Kind.TIME,
    "aws:EpochTime": Kind.TIME,
    "aws:PrincipalArn": Kind.ARN,
    "aws:PrincipalIsAWSService": Kind.FLAG,
    "aws:SourceIp": Kind.ADDRESS,
    "aws:ViaAWSService": Kind.FLAG,
    f"{_CLAIM}aud": Kind.TEXT,
    f"{_CLAIM}client_id": Kind.TEXT,
    f"{_CLAIM}iss": Kind.TEXT,
    f"{_CLAIM}scope": Kind.TEXT,
    f"{_CLAIM}sub": Kind.TEXT,
    USER_ID: Kind.TEXT,
}


def of_token(verified: VerifiedCaller) -> Facts:
    """Return what a verified token says: its issuer, subject, audiences, client and scopes."""
    audience = verified.claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return {
        _ISS: (verified.subject.iss,),
        _SUB: (verified.subject.sub,),
        _AUD: tuple([each for each in audiences if isinstance(each, str)]),
        _CLIENT_ID: (verified.client_id,) if verified.client_id else (),
        _SCOPE: tuple(sorted(scopes_of(verified.claims))),
    }


def of_subject(subject: Subject) -> Facts:
    """Return who it is for whom an agent calls another one, as this site verified it before."""
    if subject.iss == OPAQUE_ISSUER:
        return of_user_id(subject.sub)
    return {_ISS: (subject.iss,), _SUB: (subject.sub,)}


def of_user_id(user_id: str) -> Facts:
    """Return that the caller named a user by this opaque id."""
    return {USER_ID: (user_id,)}


def of_request(principals: tuple[str, ...], *, at: datetime) -> Facts:
    """Return what is known of every request: who, from where, and when."""
    client_ip = reference.current().client_ip
    return {
        "aws:currenttime": (at.isoformat(),),
        "aws:epochtime": (str(int(at.timestamp())),),
        "aws:principalarn": principals,
        "aws:sourceip": (client_ip,) if client_ip else (),
        # No service of AWS calls this site, for itself or for anybody.
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
    }
