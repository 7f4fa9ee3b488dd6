"""Consents that AWS's own identity service holds: their links, and how one is completed.

An agent at AWS is given the link to a page of the service of its region. The page leads to the
provider, and at the end back to this site, which tells the service who the person is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader

from agents.aws import calls
from agents.aws.errors import AwsRefused, refusal
from agents.aws.places import SERVICE, Place
from core import aws, database
from core.secret import Secret
from core.subject import Subject

# How long AWS keeps a link good.
VALID_S = 600.0

_PATH = "/identities/oauth2/authorize"
_SESSION_URI = re.compile(r"urn:ietf:params:oauth:request_uri:[A-Za-z0-9\-._~]{1,900}")


@dataclass(frozen=True, slots=True)
class Link:
    """The link to one consent. The page comes back with `session_uri`, which is in the link too."""

    host: str
    session_uri: str

    @property
    def url(self) -> str:
        """Return the link, made anew: nothing else of what an agent wrote is in it."""
        return f"{start_of(self.host)}{quote(self.session_uri, safe='')}"


def start_of(host: str) -> str:
    """Return that with which each link of `host` begins, as far as the request's own name."""
    return f"https://{host}{_PATH}?request_uri="


def link_to(host: str, request_uri: str) -> Link | None:
    """Return the link that a query's `request_uri` makes, percent-encoded or not; None: none."""
    session_uri = unquote(request_uri)
    return Link(host, session_uri) if is_session(session_uri) else None


def host_of(place: Place) -> str:
    """Return the host of the identity service for a runtime; empty: AWS has no such region.

    It is AWS's own, wherever this site itself is told to find AWS.
    """
    return _host(place.partition, place.region)


@cache
def _host(partition: str, region: str) -> str:
    """Ask what botocore knows of AWS's partitions, which is in a file of its own."""
    known = create_loader().load_data("partitions")["partitions"]
    for each in known:
        if each["id"] == partition and re.fullmatch(each["regionRegex"], region):
            return f"{SERVICE}.{region}.{each['outputs']['dnsSuffix']}"
    return ""


def is_session(session_uri: str) -> bool:
    """Say whether this could be a consent of AWS's: it says nothing of whose."""
    return _SESSION_URI.fullmatch(session_uri) is not None


def complete(
    *, region: str, session_uri: str, subject: Subject, user_token: Secret | None
) -> AwsRefused | None:
    """Tell AWS that `subject` is who consented, and return why it refuses; None: it is done.

    They are told as the runtime was called for them: by their own token, or without one by the id
    that this site gives them. AWS compares that with for whom the agent asked, so that nobody's
    account is bound to somebody else's session. Keeps no connection to the database meanwhile.
    """
    who: dict[str, Any] = (
        {"userToken": user_token.reveal()} if user_token else {"userId": calls.user_id_of(subject)}
    )
    database.let_go()
    try:
        client = aws.client_in(region, SERVICE)
        client.complete_resource_token_auth(userIdentifier=who, sessionUri=session_uri)
    except (BotoCoreError, ClientError) as exc:
        return refusal(exc)
    return None
