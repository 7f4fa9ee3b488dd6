"""What is a person's own is kept by no cache, and becomes no page where it is none."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from core.errors import Forbidden
from core.wire import respond
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.site import Site

OWN = (
    *("/", "/connections/", "/nothing/", "/admin/login/", "/oidc/logout/"),
    *("/api/v1/agents", "/api/v1/conversations", "/connections/complete/?session_id=x"),
    *(f"/chat/{uuid.UUID(int=7)}/", f"/api/v1/conversations/{uuid.UUID(int=7)}"),
)


@pytest.mark.django_db
@pytest.mark.parametrize("path", OWN)
def test_no_cache_keeps_what_somebody_signed_in_is_told(path: str, person: MakePerson) -> None:
    bob = person("bob")

    assert "no-store" in bob.browser.get(path)["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*OWN, "/oidc/authenticate/", "/oidc/callback/?state=x&code=y"])
def test_no_cache_keeps_what_a_stranger_is_told(
    path: str, visitor: Client, provider: Provider
) -> None:
    assert "no-store" in visitor.get(path)["Cache-Control"]


def test_an_answer_of_the_wire_api_becomes_no_page() -> None:
    sent = dict(respond.failure(Forbidden(), request_id="r").headers)

    assert sent["x-content-type-options"] == "nosniff"
    assert sent["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.django_db(transaction=True)
def test_a_refused_stream_becomes_no_page(site: Site) -> None:
    refused = site.ask(f"/api/v1/runs/{uuid.UUID(int=7)}/events")

    assert refused.status == 401
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.headers["content-security-policy"].startswith("default-src 'none'")
