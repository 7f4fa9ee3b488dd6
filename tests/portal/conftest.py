"""People who sign in at a provider of this test, on the site as it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from agents import snapshot
from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_register
from core import crypto, jose, strangers
from core.audit import Actor
from core.models import User
from portal.runs.stream import sync_client
from tests.fixtures.aws import aws, aws_server  # noqa: F401 - fixtures
from tests.portal.agent import AgentServer, serving_agent
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, providing, sign_in
from tests.portal.in_a_browser import browse, house, url  # noqa: F401 - fixtures
from tests.portal.site import Site, running_site


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with providing() as running:
        settings.OIDC_ISSUER = running.url
        settings.OIDC_RP_CLIENT_ID = CLIENT_ID
        settings.OIDC_RP_CLIENT_SECRET = CLIENT_SECRET
        settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
        yield running
        jose.forget_issuers()


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Forget what this process keeps of rows that a test before this one took with it."""
    crypto.forget_opened_keys()
    snapshot.forget()
    strangers.forget()
    sync_client().delete("daiko:runs")


@pytest.fixture
def visitor() -> Client:
    return Client(enforce_csrf_checks=True)


class Person:
    """Somebody who is signed in with a browser, and uses the site's API as its pages do."""

    def __init__(self, provider: Provider, name: str) -> None:
        self.browser = Client(enforce_csrf_checks=True)
        sign_in(self.browser, provider, name)
        self.user = User.objects.get(sub=name)

    def get(self, path: str) -> Any:
        return self.browser.get(f"/api/v1/{path}")

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._send("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PATCH", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self._send("DELETE", path, None)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        page = self.browser.get("/connections/")
        return self.browser.generic(
            method,
            f"/api/v1/{path}",
            json.dumps(body or {}),
            content_type="application/json",
            headers={"X-CSRFToken": str(page.context["csrf_token"])},
        )

    def begin(self, agent: Agent) -> str:
        """Begin a conversation and return its id."""
        response = self.post("conversations", {"agent": agent.agent_id})
        assert response.status_code == 201, response.content
        return str(response.json()["id"])

    def say(self, conversation: str, text: str, *, key: str = "") -> dict[str, Any]:
        """Say something and return the run that answers it."""
        body = {"text": text, "client_key": key or str(uuid.uuid4())}
        response = self.post(f"conversations/{conversation}/messages", body)
        assert response.status_code == 201, response.content
        run: dict[str, Any] = response.json()["run"]
        return run

    def answer(self, conversation: str) -> dict[str, Any]:
        """Return the last message of a conversation."""
        messages = self.get(f"conversations/{conversation}").json()["messages"]
        last: dict[str, Any] = messages[-1]
        return last


MakePerson = Callable[[str], Person]


@pytest.fixture
def person(provider: Provider) -> MakePerson:
    return lambda name: Person(provider, name)


@pytest.fixture
def agent_server() -> Iterator[AgentServer]:
    with serving_agent() as running:
        yield running


@pytest.fixture
def agent(transactional_db: None, provider: Provider, agent_server: AgentServer) -> Agent:
    return agent_register(
        name="helper",
        display_name="Helper",
        description="Helps.",
        asked=Configuration(
            url=agent_server.url,
            discovery_url=provider.issuer.discovery_url,
            allowed_clients=("portal",),
        ),
        actor=Actor("a test"),
        groups=[Group.objects.create(name="staff")],
    )


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    with running_site() as running:
        yield running
