"""Where an agent on AWS runs, and what a version that says so has to say besides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

# AWS's service that runs agents and holds consents, as its clients name it.
SERVICE: Final = "bedrock-agentcore"
DEFAULT_QUALIFIER = "DEFAULT"
# How such an agent is called: with the person's own token, or signed by this site.
BEARER: Final = "BEARER"
SIGV4: Final = "SIGV4"

_ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):bedrock-agentcore:(?P<region>[a-z]{2}(?:-[a-z0-9]+)+):"
    r"(?P<account>[0-9]{12}):runtime/(?P<runtime_id>[a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10})"
    r"(?:/runtime-endpoint/(?P<qualifier>[a-zA-Z][a-zA-Z0-9_]{0,47}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An AgentCore runtime in an AWS account, under one of its endpoints."""

    partition: str = "aws"
    region: str
    account: str
    runtime_id: str
    qualifier: str = DEFAULT_QUALIFIER

    @property
    def runtime_arn(self) -> str:
        """Return the ARN of the runtime, by which it is called."""
        owner = f"{self.partition}:bedrock-agentcore:{self.region}:{self.account}"
        return f"arn:{owner}:runtime/{self.runtime_id}"

    @property
    def arn(self) -> str:
        """Return the ARN that the registry has: the runtime's, or that of another endpoint."""
        if self.qualifier == DEFAULT_QUALIFIER:
            return self.runtime_arn
        return f"{self.runtime_arn}/runtime-endpoint/{self.qualifier}"


def is_arn(location: str) -> bool:
    """Say whether a version's location is meant as an ARN, and not as a URL."""
    return location.startswith("arn:")


def place_at(location: str) -> Place | None:
    """Return the place that a version's location names; None: it is elsewhere, or no such ARN."""
    found = _ARN.fullmatch(location)
    if found is None:
        return None
    named = found.groupdict()
    return Place(**{**named, "qualifier": named["qualifier"] or DEFAULT_QUALIFIER})


def wrong_location(location: str) -> Iterator[str]:
    """Yield why an ARN is not one of an AgentCore runtime."""
    if place_at(location) is None:
        yield _(
            "This is not the ARN of an AgentCore runtime or of one of its endpoints, such as "
            "%(example)s"
        ) % {"example": "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/name-a1B2c3D4e5"}


def wrong_call(location: str, called_with: str, *, asks_for_tokens: bool) -> Iterator[str]:
    """Yield why an agent at `location` cannot be called in this way."""
    if not is_arn(location):
        if called_with:
            yield _("Only an agent that runs on AWS is called in this way: leave this empty.")
    elif called_with not in {BEARER, SIGV4}:
        yield _(
            "The agent runs on AWS. Say whether it is called with the person's own token or with "
            "this site's AWS credentials."
        )
    elif called_with == BEARER and not asks_for_tokens:
        yield _("There is no person's token to call it with where callers show an access key.")


def wrong_path(location: str, path: str, port: int | None) -> Iterator[str]:
    """Yield why a path or a port cannot stand beside `location`."""
    if is_arn(location) and (path or port is not None):
        yield _("AWS knows the path and the port of what runs there: leave them empty.")
