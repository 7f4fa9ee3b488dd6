"""The one entry point: who serves which path, what an error looks like, how it starts and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import get_resolver

from agents.gateway.app import application as gateway
from agents.models import Agent
from core import inert
from core.models import AuditEvent
from portal import asgi, pages
from portal.runs import events
from portal.views.access import guard_of
from tests.children import ended_with_this
from tests.connections import come_down_to, connections_in_use, database_url
from tests.engines import CHECKOUT
from tests.portal.agent import AgentServer, silent
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider, sign_in
from tests.portal.site import Site, soon

RUN = uuid.uuid4()
ARN = "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A000000000000%3Aruntime%2Fhelper-0123456789"


@pytest.mark.parametrize(
    "path, raw_path, served_by",
    [
        ("/runtimes/arn:x/invocations", f"/runtimes/{ARN}/invocations", gateway),
        ("/runtimes/", "", asgi._wire),
        ("/runtimes/arn:x/stopruntimesession", f"/runtimes/{ARN}/stopruntimesession", gateway),
        ("/runtimes/x-0123456789/", "", asgi._wire),
        ("/resourcepolicy/arn:x", "", asgi._wire),
        ("/tags/arn:x", "", asgi._wire),
        ("/identities/oauth2/token", "", asgi._wire),
        ("/identities/GetWorkloadAccessToken", "", asgi._wire),
        ("/identities/oauth2/authorize", "", pages.application),
        (f"/identities/oauth2/callback/{RUN}", "", pages.application),
        (f"/api/v1/runs/{RUN}/events", "", events.application),
        (f"/api/v1/runs/{RUN}/stop", "", pages.application),
        ("/api/v1/runs/x/events", "", pages.application),
        ("/", "", pages.application),
        ("/admin/", "", pages.application),
    ],
)
def test_each_path_is_served_by_its_plane(path: str, raw_path: str, served_by: Any) -> None:
    assert asgi.chosen("POST", path, raw_path or path) is served_by


def test_a_page_that_is_not_there_keeps_no_connection(site: Site, person: MakePerson) -> None:
    browser, before = person("bob").browser, connections_in_use()

    for _ in range(3):
        assert site.ask("/nowhere/", browser).status == 404

    assert come_down_to(before)


def test_every_page_of_ours_states_its_guard() -> None:
    unguarded = []
    for pattern in get_resolver().url_patterns:
        for view in getattr(pattern, "url_patterns", [pattern]):
            callback = getattr(view, "callback", None)
            if callback is None or not callback.__module__.startswith("portal.views"):
                continue
            if guard_of(callback) is None:
                unguarded.append(callback.__qualname__)
    assert unguarded == []


@pytest.mark.django_db
def test_it_answers_a_load_balancer(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "database": True, "redis": True, "key_ring": True},
    )


@pytest.mark.django_db
def test_it_is_not_ready_without_its_keys(client: Client, settings: Any) -> None:
    settings.VAULT_KEYS = "lost:nonsense"

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["key_ring"]) == (503, False)


@pytest.mark.django_db
def test_a_page_that_does_not_exist_has_a_reference_and_the_policy(client: Client) -> None:
    page = client.get("/no/such/page")

    assert page.status_code == 404
    assert page["X-Request-Id"] in page.content.decode()
    policy = page["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page["X-Frame-Options"] == "DENY"


@pytest.mark.django_db
def test_pages_of_people_are_kept_by_no_cache(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    assert "no-store" in visitor.get("/connections/")["Cache-Control"]


@pytest.mark.django_db
def test_static_files_are_served_where_they_lie(client: Client) -> None:
    found = client.get("/static/portal/css/base.css")

    assert (found.status_code, found.streaming) == (200, False)
    assert found["Content-Type"].startswith("text/css")
    icon = client.get("/static/portal/favicon.svg")
    for name, value in inert.HEADERS:
        assert (icon[name], found[name]) == (value, value)
    assert client.get("/static/portal/css/none.css").status_code == 404


@pytest.mark.django_db
def test_admins_read_the_audit_trail_and_change_nothing(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "alice")
    event = AuditEvent.objects.get(action="person.signed_in")
    listing = "/admin/core/auditevent/"

    found = visitor.get(listing, {"q": event.reference})
    nothing = visitor.get(listing, {"q": "no-such-reference"})
    page = visitor.get(f"{listing}{event.pk}/change/")

    assert "person.signed_in" in found.content.decode()
    assert f"/auditevent/{event.pk}/" not in nothing.content.decode()
    assert provider.url in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    assert visitor.get(f"{listing}add/").status_code == 403
    assert visitor.get(f"{listing}{event.pk}/delete/").status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["action=person.signed_in", "outcome=allowed", "agent=x"])
def test_the_audit_trail_is_filtered(query: str, visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "alice")

    assert visitor.get(f"/admin/core/auditevent/?{query}").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_open_stream_says_that_it_lives(
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent_server.behaviour = silent
    monkeypatch.setattr(events, "_WAIT_S", 0.05)
    monkeypatch.setattr(events, "_KEEP_ALIVE_S", 0.1)
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")

    got = site.events(run, bob.browser, until=lambda got: got.body.count(b"\n: ") >= 2)

    assert got.body.startswith(b"retry: 1000\n\n")


@pytest.mark.django_db(transaction=True)
def test_a_stream_ends_when_the_person_is_switched_off(
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent_server.behaviour = silent
    monkeypatch.setattr(events, "_WAIT_S", 0.05)
    monkeypatch.setattr(events, "_LOOK_EVERY_S", 0.1)
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")
    watching = site.watch(run, bob.browser)
    soon(lambda: agent_server.calls)

    bob.user.is_active = False
    bob.user.save(update_fields=["is_active"])

    got = watching.result(5)
    assert got.status == 200
    assert got.named("finished") == []
    assert not agent_server.left.is_set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_events_are_read_and_nothing_else(method: str, site: Site, person: MakePerson) -> None:
    got = site.ask(f"/api/v1/runs/{RUN}/events", person("bob").browser, method=method)

    assert got.status == 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("headers", "status"), [({}, 404), ({"last-event-id": "x"}, 400), ({"cookie": ""}, 401)]
)
def test_a_stream_that_is_refused_answers_like_any_other(
    headers: dict[str, str], status: int, site: Site, person: MakePerson
) -> None:
    visitor = person("bob").browser if "cookie" not in headers else None

    got = site.ask(f"/api/v1/runs/{RUN}/events", visitor, headers=headers)

    assert (got.status, got.headers["cache-control"]) == (status, "no-store")
    assert len(got.headers["x-request-id"]) == 20
    assert got.headers.items() >= dict(inert.HEADERS).items()


@pytest.fixture
def served(django_db_setup: None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        ended_with_this(sys.executable, "manage.py", "serve", "--port", str(port)),
        cwd=CHECKOUT,
        env=os.environ | {"LOG_LEVEL": "CRITICAL", "DATABASE_URL": database_url()},
        start_new_session=True,
    )
    try:
        yield f"http://localhost:{port}", process
    finally:
        process.kill()
        process.wait()


def test_it_is_served_by_one_command_and_ends_when_told(
    served: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, process = served
    # Not how fast it is: a loaded machine takes longer to start three processes, and to end them.
    give_up_at = time.monotonic() + 60
    while True:
        try:
            assert httpx.get(f"{url}/healthz", timeout=2).status_code == 200
            break
        except httpx.TransportError:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
