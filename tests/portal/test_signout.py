"""Signing out, here and at the provider."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from core.models import AuditEvent
from portal.models import SignIn
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db


def sign_out(visitor: Client) -> tuple[int, str]:
    page = visitor.get("/connections/")
    token = str(page.context["csrf_token"]) if page.context else ""
    response = visitor.post("/oidc/logout/", {"csrfmiddlewaretoken": token})
    return response.status_code, response.get("Location", response.content.decode())


def test_it_signs_out_here_and_leads_to_the_provider(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    status, location = sign_out(visitor)

    parts = urlsplit(location)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    hint = query.pop("id_token_hint")
    assert (status, f"{parts.scheme}://{parts.netloc}{parts.path}") == (
        302, f"{provider.url}/logout",
    )  # fmt: skip
    assert query == {
        "client_id": "portal",
        "post_logout_redirect_uri": "http://localhost:8000/",
    }
    assert hint.count(".") == 2
    assert visitor.get("/connections/").status_code == 302


def test_what_was_sealed_is_gone_and_the_refresh_token_ends_at_the_provider(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    refresh = SignIn.objects.get().refresh_token()
    assert refresh is not None

    sign_out(visitor)

    signin = SignIn.objects.get()
    assert (signin.state, signin.ended_at is not None) == ("revoked", True)
    assert (signin.access_sealed, signin.refresh_sealed, signin.id_token_sealed) == (None,) * 3
    assert provider.revoked == [refresh.reveal()]
    last = AuditEvent.objects.latest("pk")
    assert (last.action, last.subject_sub) == ("person.signed_out", "bob")


def test_a_link_signs_nobody_out(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    assert visitor.get("/oidc/logout/").status_code == 405
    assert visitor.get("/connections/").status_code == 200


def test_another_sites_form_signs_nobody_out(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    assert visitor.post("/oidc/logout/").status_code == 403
    assert visitor.get("/connections/").status_code == 200


def test_a_provider_that_is_away_keeps_nobody_signed_in(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    provider.issuer.answer("/revoke", {}, method="POST", status=500)

    status, _ = sign_out(visitor)

    assert status == 302
    assert visitor.get("/connections/").status_code == 302
    assert SignIn.objects.get().state == "revoked"


def test_a_provider_without_an_end_of_session_leads_to_the_start_page(
    visitor: Client, provider: Provider
) -> None:
    del provider.issuer.metadata["end_session_endpoint"]
    sign_in(visitor, provider, "bob")

    assert sign_out(visitor) == (302, "/")


def test_a_provider_that_ends_sessions_elsewhere_is_linked_to(
    visitor: Client, provider: Provider
) -> None:
    elsewhere = provider.url.replace("127.0.0.1", "localhost")
    provider.issuer.metadata["end_session_endpoint"] = f"{elsewhere}/logout"
    sign_in(visitor, provider, "bob")

    status, page = sign_out(visitor)

    assert status == 200
    assert f"{elsewhere}/logout?id_token_hint=" in page
