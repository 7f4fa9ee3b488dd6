"""The identity provider's page says in a frame that this browser's session is over."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from core.models import AuditEvent
from portal.models import SignIn
from portal.provider import origin_of
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db

PATH = "/oidc/frontchannel-logout/"


def is_signed_in(visitor: Client) -> bool:
    return visitor.get("/connections/").status_code == 200


def test_it_ends_this_browsers_sign_in_and_no_other(visitor: Client, provider: Provider) -> None:
    other = Client()
    sign_in(other, provider, "bob")
    sign_in(visitor, provider, "bob")

    told = visitor.get(PATH, {"iss": provider.url, "sid": provider.sids["bob"]})

    assert (told.status_code, told["Cache-Control"], told.content) == (200, "no-store", b"")
    assert not is_signed_in(visitor)
    assert is_signed_in(other)
    ended = SignIn.objects.get(sid=provider.sids["bob"])
    assert (ended.state, ended.access_sealed, ended.refresh_sealed) == ("revoked", None, None)
    last = AuditEvent.objects.latest("pk")
    assert (last.action, last.subject_sub) == ("person.signin.ended_by_provider", "bob")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"iss": "{iss}"},
        {"sid": "{sid}"},
        {"iss": "", "sid": ""},
        {"iss": "{iss}", "sid": ""},
        {"iss": "{iss}", "sid": "another"},
        {"iss": "{iss}", "sid": "{alices}"},
        {"iss": "{iss}/", "sid": "{sid}"},
        {"iss": "https://issuer.example", "sid": "{sid}"},
        {"iss": ["{iss}", "{iss}"], "sid": "{sid}"},
        {"iss": "{iss}", "sid": ["{sid}", "another"]},
        {"iss": "{iss}", "sid": "é"},
    ],
)
def test_anything_else_does_nothing_and_looks_the_same(
    query: dict[str, Any], visitor: Client, provider: Provider
) -> None:
    sign_in(Client(), provider, "alice")
    sign_in(visitor, provider, "bob")
    known = {
        "{iss}": provider.url,
        "{sid}": provider.sids["bob"],
        "{alices}": provider.sids["alice"],
    }

    def filled(text: str) -> str:
        for name, value in known.items():
            text = text.replace(name, value)
        return text

    asked = {
        name: [filled(one) for one in value] if isinstance(value, list) else filled(value)
        for name, value in query.items()
    }
    told = visitor.get(PATH, asked)

    assert (told.status_code, told.content) == (200, b"")
    assert is_signed_in(visitor)
    assert set(SignIn.objects.values_list("state", flat=True)) == {"live"}


def test_a_sign_in_of_no_known_session_is_not_ended(visitor: Client, provider: Provider) -> None:
    provider.names_sessions = False
    sign_in(visitor, provider, "bob")

    for sid in ("", "a-session"):
        visitor.get(PATH, {"iss": provider.url, "sid": sid})

    assert is_signed_in(visitor)


def test_a_browser_that_is_nobodys_is_told_nothing(visitor: Client, provider: Provider) -> None:
    sign_in(Client(), provider, "bob")

    told = visitor.get(PATH, {"iss": provider.url, "sid": provider.sids["bob"]})

    assert (told.status_code, told.content) == (200, b"")
    assert SignIn.objects.get().state == "live"


@pytest.mark.parametrize("method", ["head", "post"])
def test_another_method_ends_nothing(method: str, visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    getattr(visitor, method)(f"{PATH}?iss={provider.url}&sid={provider.sids['bob']}")

    assert is_signed_in(visitor)


def test_the_issuer_alone_may_frame_this_page_alone(visitor: Client, provider: Provider) -> None:
    told, other = visitor.get(PATH), visitor.get("/")

    assert f"frame-ancestors {origin_of(provider.url)};" in told["Content-Security-Policy"] + ";"
    assert "script-src 'self'" in told["Content-Security-Policy"]
    assert "X-Frame-Options" not in told
    assert "frame-ancestors 'none'" in other["Content-Security-Policy"]
    assert other["X-Frame-Options"] == "DENY"
