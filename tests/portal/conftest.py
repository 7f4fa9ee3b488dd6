"""People who sign in at a provider of this test, on the site as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from core import jose
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, providing


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with providing() as running:
        settings.OIDC_ISSUER = running.url
        settings.OIDC_RP_CLIENT_ID = CLIENT_ID
        settings.OIDC_RP_CLIENT_SECRET = CLIENT_SECRET
        settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
        yield running
        jose.forget_issuers()


@pytest.fixture
def visitor() -> Client:
    return Client(enforce_csrf_checks=True)
