"""The person's access token: renewed before it expires, once, whoever asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core.models import AuditEvent
from portal.errors import ProviderAway, SignInExpired
from portal.models import SignIn
from portal.signins import access_token_for, signin_end
from tests.connections import database_url
from tests.engines import CHECKOUT
from tests.fixtures.issuer import Reply
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

ASKING = """
import sys, django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from django.db import connections
from portal.models import SignIn
from portal.signins import access_token_for

signins = [SignIn.objects.select_related("user").get() for _ in range(5)]

def ask(signin):
    try:
        return sha256(access_token_for(signin).reveal().encode()).hexdigest()
    finally:
        connections.close_all()

print("up", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(5) as pool:
    print("\\n".join(pool.map(ask, signins)))
"""


@pytest.fixture
def signin(visitor: Client, provider: Provider) -> SignIn:
    sign_in(visitor, provider, "bob")
    return SignIn.objects.select_related("user").get()


def expires_in(signin: SignIn, seconds: float) -> SignIn:
    SignIn.objects.update(access_expires_at=timezone.now() + timedelta(seconds=seconds))
    signin.refresh_from_db()
    return signin


def test_a_token_with_time_left_is_used_as_it_is(signin: SignIn, provider: Provider) -> None:
    first = access_token_for(expires_in(signin, 65))

    assert first == signin.access_token()
    assert provider.refreshed == 0


def test_it_is_renewed_when_a_minute_is_left(signin: SignIn, provider: Provider) -> None:
    before = signin.access_token()

    renewed = access_token_for(expires_in(signin, 55))

    assert renewed != before
    assert provider.refreshed == 1
    signin.refresh_from_db()
    assert (signin.access_token(), signin.generation) == (renewed, 1)


def test_what_is_left_is_used_while_the_provider_is_away(
    signin: SignIn, provider: Provider
) -> None:
    provider.token_status = 503

    assert access_token_for(expires_in(signin, 30)) == signin.access_token()


def test_a_provider_that_is_away_ends_no_sign_in(
    signin: SignIn, provider: Provider, visitor: Client
) -> None:
    provider.token_status = 503

    with pytest.raises(ProviderAway):
        access_token_for(expires_in(signin, -1))

    assert visitor.get("/connections/").status_code == 200
    provider.token_status = 200
    SignIn.objects.update(failures=0, next_refresh_at=None)
    signin.refresh_from_db()
    assert access_token_for(signin) != signin.access_token()


def test_a_renewal_that_is_refused_ends_the_sign_in(
    signin: SignIn, provider: Provider, visitor: Client
) -> None:
    provider.forget_refresh_tokens()

    with pytest.raises(SignInExpired):
        access_token_for(expires_in(signin, 30))

    assert SignIn.objects.get().state == SignIn.State.LAPSED
    last = AuditEvent.objects.latest("pk")
    assert (last.action, last.reason) == ("person.signin.lapsed", "renewal_refused")
    answer = visitor.get("/api/v1/agents")
    assert answer.status_code == 401
    assert answer.json()["sign_in_url"].startswith("/oidc/authenticate/")


def test_a_renewal_in_somebody_elses_name_is_refused(signin: SignIn, provider: Provider) -> None:
    provider.forgery.claims = {"sub": "alice"}

    with pytest.raises(SignInExpired):
        access_token_for(expires_in(signin, 30))

    assert SignIn.objects.get().state == SignIn.State.LAPSED


def test_without_a_refresh_token_the_sign_in_lasts_as_long_as_the_access_token(
    visitor: Client, provider: Provider
) -> None:
    issue = provider._issue

    def without(person: str, *, nonce: str | None) -> Reply:
        reply = issue(person, nonce=nonce)
        del reply.body["refresh_token"]
        return reply

    provider._issue = without  # type: ignore[method-assign]
    sign_in(visitor, provider, "bob")
    signin = SignIn.objects.select_related("user").get()

    assert access_token_for(expires_in(signin, 10)) == signin.access_token()
    with pytest.raises(SignInExpired):
        access_token_for(expires_in(signin, -1))


def test_an_ended_sign_in_gives_no_token(signin: SignIn, provider: Provider) -> None:
    signin_end(signin)
    stale = signin  # as another process still holds it
    fresh = SignIn.objects.select_related("user").get()

    for held in (expires_in(fresh, 300), expires_in(stale, -1)):
        with pytest.raises(SignInExpired):
            access_token_for(held)
    assert provider.refreshed == 0


@pytest.fixture
def processes(provider: Provider) -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING],
            cwd=CHECKOUT,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "OIDC_ISSUER": provider.url,
                "OIDC_CLIENT_ID": CLIENT_ID,
                "OIDC_CLIENT_SECRET": CLIENT_SECRET,
                "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_askers_in_several_processes_cause_one_renewal(
    signin: SignIn,
    provider: Provider,
    processes: list[subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expires_in(signin, 30)
    tokens: list[str] = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        tokens += process.communicate()[0].split()

    assert provider.refreshed == 1
    assert (len(tokens), len(set(tokens))) == (10, 1)
