"""One served site for all of the generated tests, and clients that see the raw wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from agents.keys import access_keys, verification
from agents.keys.callers import Caller
from core.secret import Secret
from core.wire import model
from core.wire.app import WireApp
from portal.wire import OPERATIONS
from tests.agents.signing import signed_headers
from tests.conformance.domain import Site
from tests.core.wire.inputs import HttpRequest
from tests.core.wire.serving import served
from tests.fixtures.issuer import issuing
from tests.fixtures.provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.vault.conftest import ADMIN, World, forget_all, new_concierge
from vault.models import CredentialProvider
from vault.providers.services import provider_store


@dataclass
class Answer:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass
class Wire:
    """An operator's key at a served site."""

    url: str
    key_id: str
    secret: Secret

    def __post_init__(self) -> None:
        self._to = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        self._clients = {name: self._client(name) for name in model.SERVICES}

    def _client(self, service: Any) -> Any:
        client = boto3.client(
            service,
            endpoint_url=self.url,
            region_name=settings.AWS_REGION,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret.reveal(),
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("response-received", self._seen)
        return client

    def _seen(self, response_dict: Any, **_: Any) -> None:
        found = response_dict
        self.seen = Answer(found["status_code"], found["headers"], found["body"])

    def call(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what boto3 makes of the answer; the answer itself is in `seen`."""
        service = model.operations()[operation].service_model.service_name
        client = self._clients[service]
        methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        answer: dict[str, Any] = getattr(client, methods[operation])(**asked)
        return answer

    def send(self, request: HttpRequest) -> Answer:
        """Return the answer to a request that boto3 would not send."""
        headers = signed_headers(
            self.url + request.target,
            method=request.method,
            key_id=self.key_id,
            secret=self.secret,
            body=request.body,
            headers=dict(request.headers),
        )
        self._to.request(request.method, request.target, body=request.body, headers=headers)
        got = self._to.getresponse()
        return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())

    def close(self) -> None:
        self._to.close()
        for client in self._clients.values():
            client.close()


@pytest.fixture(scope="package")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around each test, in place of pytest-django's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="package")
def wire(db: None) -> Iterator[Wire]:
    """A site with nothing in it but an operator's key."""
    with served(_app()) as url:
        forget_all()
        key, secret = access_keys.access_key_create(
            label="conformance", workload_identity=None, actor=ADMIN
        )
        wire = Wire(url, key.access_key_id, secret)
        try:
            yield wire
        finally:
            wire.close()
            call_command("flush", verbosity=0, interactive=False)
            forget_all()


@pytest.fixture(scope="package")
def site(wire: Wire) -> Iterator[Site]:
    """That site with an agent, a provider and an issuer."""
    with providing() as there, issuing() as issuer, _reachable(issuer.url):
        yield Site(wire.url, _world(there), issuer, wire.call)


def _app() -> WireApp[Caller]:
    return WireApp(OPERATIONS, authenticate=verification.authenticate)


@contextmanager
def _reachable(issuer: str) -> Iterator[None]:
    with override_settings(
        DAIKO_ALLOWED_PRIVATE_HOSTS=["127.0.0.1"], DAIKO_TRUSTED_ISSUERS=[issuer]
    ):
        yield


def _world(there: Provider) -> World:
    """Return an agent that may ask people for access to a provider."""
    identity = new_concierge()
    provider = provider_store(
        provider=CredentialProvider(
            name="acme",
            display_name="Acme Calendar",
            client_id=CLIENT_ID,
            discovery_url=there.discovery_url,
        ),
        client_secret=Secret(CLIENT_SECRET),
        workloads=[identity],
        actor=ADMIN,
    )
    there.redirect_uris.add(provider.callback_url)
    return World(identity, provider, there)
