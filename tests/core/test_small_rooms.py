"""What is too small for a file of its own: subjects, references, proof keys, the API's errors."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from core import api, pkce, reference
from core.errors import Forbidden
from core.middleware import ReferenceMiddleware
from core.models import DataKey, User
from core.models.users import username_for
from core.secret import Secret
from core.subject import OPAQUE_ISSUER, Subject


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_people_have_one_owner(iss: str, sub: str, other_iss: str, other_sub: str) -> None:
    one, other = Subject(iss, sub), Subject(other_iss, other_sub)

    assert (one.owner == other.owner) is (one == other)


def test_whom_a_caller_names_is_nobody_whom_an_issuer_can_name() -> None:
    assert Subject.opaque("alice").iss == OPAQUE_ISSUER
    assert not OPAQUE_ISSUER.startswith("http")


def test_a_username_is_stable_and_says_nothing_of_the_person() -> None:
    alice = Subject("https://idp.example", "alice")

    assert username_for(alice) == username_for(Subject(alice.iss, alice.sub))
    assert username_for(alice) != username_for(Subject(alice.iss, "bob"))
    assert re.fullmatch(r"u-[0-9a-f]{32}", username_for(alice))


@pytest.mark.parametrize(
    ("given_name", "email", "shown"),
    [("Alice", "a@x", "Alice"), ("", "a@x", "a@x"), ("", "", "sub-7")],
)
def test_a_person_is_called_by_name_address_or_subject(
    given_name: str, email: str, shown: str
) -> None:
    user = User(iss="https://i", sub="sub-7", name=given_name, email=email)

    assert str(user) == user.display_name == shown
    assert user.subject == Subject("https://i", "sub-7")


def test_a_data_key_prints_its_ids_alone() -> None:
    key = DataKey(kek_id="k1", sealed=b"sealed")

    assert str(key) == f"{key.pk} (k1)"


@pytest.mark.parametrize(
    ("peer", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        *((odd, None) for odd in ("", None, "unix:", "localhost", "203.0.113.7:80")),
    ],
)
def test_what_is_no_address_is_not_kept_as_one(peer: str | None, kept: str | None) -> None:
    assert reference.begin(peer).client_ip == kept


def test_each_request_has_a_reference_that_the_answer_names() -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(reference.current().id)
        return HttpResponse()

    site = ReferenceMiddleware(view)
    answers = [site(RequestFactory().get("/")) for _ in range(2)]

    assert [answer["X-Request-Id"] for answer in answers] == seen
    assert seen[0] != seen[1]


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B.
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    assert pkce.challenge_for(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_are_fresh_and_long_enough() -> None:
    one, other = pkce.new_verifier(), pkce.new_verifier()

    assert one != other
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,128}", one.reveal())
    digest = hashlib.sha256(one.reveal().encode()).digest()
    assert pkce.challenge_for(one) == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_an_api_without_a_guard_is_closed() -> None:
    assert not api.DenyAll().has_permission(Request(HttpRequest()), APIView())


@pytest.mark.parametrize(
    ("raised", "status", "body"),
    [
        (
            Forbidden("Not for you.", detail="bob asked"),
            403,
            {"error": "forbidden", "message": "Not for you."},
        ),
        (Http404("bob's page"), 404, {"error": "not_found", "message": "Not found."}),
        (
            exceptions.NotAuthenticated("Sign in."),
            401,
            {"error": "not_authenticated", "message": "Sign in."},
        ),
        (
            serializers.ValidationError({"text": ["Too long.", "And odd."]}),
            400,
            {
                "error": "invalid",
                "message": "Too long.",
                "fields": {"text": ["Too long.", "And odd."]},
            },
        ),
    ],
)
def test_an_api_error_has_one_shape(raised: Exception, status: int, body: dict[str, Any]) -> None:
    answer = api.handle(raised, {})

    assert answer is not None
    assert (answer.status_code, answer.data) == (status, body)


def test_a_bug_is_not_dressed_up_as_an_answer() -> None:
    assert api.handle(LookupError("s3cr3t"), {}) is None
