"""A region of AWS on this machine: a runtime, the identity service that its agent asks, no more.

AWS itself cannot run here. What is documented of it this does: a link is good for one person, the
one for whom the runtime was called, and for one completion; a session is stopped once.
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group

from agents.aws import places
from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_register
from core import aws as clients
from core.audit import Actor
from tests.portal.agent import PATIENCE_S, AgentServer, Called, serving_agent
from tests.portal.identity_provider import Provider

REGION = "us-west-2"
HOST = f"bedrock-agentcore.{REGION}.amazonaws.com"
ACTOR = Actor("a test")
_USER_ID = "x-amzn-bedrock-agentcore-runtime-user-id"
_SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
_NO_SESSION = {"__type": "AccessDeniedException", "message": "Invalid or expired session"}
_UNKNOWN = {"__type": "ResourceNotFoundException", "message": "Session not found"}


@dataclass
class Asked:
    """One consent that the identity service holds."""

    session_uri: str
    who: dict[str, str]
    completed: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return (
            f"https://{HOST}/identities/oauth2/authorize"
            f"?request_uri={quote(self.session_uri, safe='')}"
        )

    def wait(self) -> None:
        """Wait until it is completed, as an agent that asks again and again."""
        assert self.completed.wait(PATIENCE_S), "nobody completed it"


class Region:
    """The runtime's answers are `agent.behaviour`; what the services were asked is kept."""

    def __init__(self, agent: AgentServer) -> None:
        self.agent = agent
        self.sessions: dict[str, Asked] = {}
        self.completions: list[dict[str, Any]] = []
        self.stopped: list[Called] = []
        self.away = False
        agent.others = {
            "/identities/CompleteResourceTokenAuth": self._complete,
            "/stopruntimesession": self._stop,
        }

    def ask(self) -> Asked:
        """Return a consent for whom the runtime was called last, as its agent would get it."""
        headers = self.agent.calls[-1].headers
        bearer = headers.get("authorization", "")
        by_token = bearer.startswith("Bearer ")
        who = {"userToken": bearer[7:]} if by_token else {"userId": headers[_USER_ID]}
        return self.begin(who)

    def begin(self, who: dict[str, str]) -> Asked:
        """Return a consent for somebody."""
        name = base64.b64encode(str(uuid.uuid4()).encode()).decode()
        uri = f"urn:ietf:params:oauth:request_uri:{name}"
        self.sessions[uri] = Asked(uri, who)
        return self.sessions[uri]

    def _complete(self, called: Called) -> tuple[int, dict[str, Any]]:
        assert called.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        self.completions.append(called.body)
        if self.away:
            return 503, {"__type": "ServiceUnavailable", "message": "Later."}
        asked = self.sessions.get(called.body["sessionUri"])
        if asked is None or asked.completed.is_set() or asked.who != called.body["userIdentifier"]:
            return 403, _NO_SESSION
        asked.completed.set()
        return 200, {}

    def _stop(self, called: Called) -> tuple[int, dict[str, Any]]:
        self.stopped.append(called)
        if self.away:
            return 503, {"__type": "ServiceUnavailable", "message": "Later."}
        known = {each.headers[_SESSION] for each in self.agent.calls}
        gone = {each.headers[_SESSION] for each in self.stopped[:-1]}
        return (200, {}) if called.headers[_SESSION] in known - gone else (404, _UNKNOWN)


@contextmanager
def running_region(monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    """Run a region, and let the site take it for AWS."""
    with serving_agent() as agent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", agent.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        clients.forget()
        region = Region(agent)
        try:
            yield region
        finally:
            for asked in region.sessions.values():
                asked.completed.set()
            clients.forget()


def hosted(provider: Provider, *, called_with: str = places.BEARER, name: str = "hosted") -> Agent:
    """Register an agent that runs at AWS, for the staff."""
    return agent_register(
        name=name,
        display_name=name.title(),
        asked=Configuration(
            url=f"arn:aws:bedrock-agentcore:{REGION}:123456789012:runtime/{name}-a1B2c3D4e5",
            called_with=called_with,
            discovery_url=provider.issuer.discovery_url,
            allowed_clients=("portal",),
        ),
        actor=ACTOR,
        groups=[Group.objects.get_or_create(name="staff")[0]],
    )
