"""A copy of the sessions' table tells nothing of what people's browsers are about to do."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.backends.db import SessionStore as Stock
from django.contrib.sessions.models import Session
from django.test import Client

from portal.sessions import SessionStore, hashed
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db


def test_a_sign_in_under_way_is_sealed(visitor: Client, provider: Provider) -> None:
    response = visitor.get("/oidc/authenticate/", {"next": "/connections/complete/?session_id=urn"})
    [state] = parse_qs(urlsplit(response["Location"]).query)["state"]
    held = visitor.session["oidc_states"][state]

    row = Session.objects.get()

    assert held["next"] == "/connections/complete/?session_id=urn"
    for secret in (state, held["code_verifier"], held["nonce"]):
        assert secret not in row.session_data
    # What anybody with the site's own code, but not its keys, would try.
    assert Stock(row.session_key).decode(row.session_data) == {}


def test_a_session_moved_to_another_row_does_not_open(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "alice")
    stolen = Session.objects.get().session_data
    thief = Client()
    sign_in(thief, provider, "bob")
    key = thief.cookies["daiko_session"].value

    Session.objects.filter(session_key=hashed(key)).update(session_data=stolen)

    assert thief.get("/connections/").status_code == 302
    assert SessionStore(key).load() == {}
    assert visitor.get("/connections/").status_code == 200
