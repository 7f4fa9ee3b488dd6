"""Workers deliver at the same time, and one of them is killed between sending and keeping that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from socket import create_connection, create_server

import pytest
from django.db import connections, transaction
from django.utils import timezone

from agents.models import WorkloadIdentity
from core import audit
from core.crypto import seal
from tests.engines import CHECKOUT
from tests.vault.conftest import ADMIN, events
from tests.vault.webhook_parts import deliver, endpoint_at, listening, make_due, put
from tests.vault.webhook_receiver import receiving
from tests.vault.workers import Start, go, said
from vault.models import CredentialProvider, Grant, WebhookDelivery, WebhookEndpoint
from vault.webhooks import endpoints, happenings, outbox, signing

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 200
DOCUMENTATION = Path(CHECKOUT, "docs", "webhooks.md")


def test_two_workers_deliver_each_event_once(start: Start) -> None:
    with receiving() as there:
        endpoint, secret = listening(there)
        put(endpoint, count=COUNT)

        workers = [start("webhook_worker") for _ in range(2)]
        assert [said(worker) for worker in workers] == ["ready"] * 2
        for worker in workers:
            go(worker)
        made = [int(worker.communicate(timeout=60)[0]) for worker in workers]

        assert sum(made) == COUNT
        assert all(made)
        assert len(there.received) == len(set(there.ids)) == COUNT
        assert all(one.is_signed_by(secret) for one in there.received)
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("accepted", 1)}


def test_an_endpoint_is_deleted_after_what_tells_of_something_and_never_takes_it_back() -> None:
    endpoint, _ = endpoint_at("http://127.0.0.1:9/")
    grant = Grant(
        workload_identity=WorkloadIdentity(name="concierge"),
        provider=CredentialProvider(name="acme"),
        user_iss="https://idp.example",
        user_sub="alice",
    )
    ended = threading.Event()

    def delete() -> None:
        try:
            endpoints.endpoint_delete(endpoint=endpoint, actor=ADMIN)
            ended.set()
        finally:
            connections.close_all()

    with transaction.atomic():
        outbox.announce([happenings.of_consent(grant, again=False)])
        deleting = threading.Thread(target=delete)
        deleting.start()
        assert not ended.wait(0.5)
        audit.record(audit.Event("vault.consent.completed"))
    deleting.join(10)

    assert ended.is_set()
    assert len(events("vault.consent.completed")) == 1
    assert not WebhookDelivery.objects.exists()


def test_the_receiver_of_the_documentation_runs_as_it_stands(tmp_path: Path) -> None:
    [program] = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    endpoint, secret = endpoint_at(f"http://127.0.0.1:{port}/")
    script = tmp_path / "receiver.py"
    script.write_text(program.replace("9000", str(port)))
    receiver = subprocess.Popen(
        [sys.executable, "-u", str(script)],
        env=os.environ | {"WEBHOOK_SECRET": secret.reveal()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        listens(port)
        [row] = put(endpoint)
        deliver()
        WebhookDelivery.objects.update(state="waiting", next_attempt_at=timezone.now())
        deliver()
        assert endpoints.endpoint_probe(endpoint=endpoint, actor=ADMIN).status == 204
        WebhookEndpoint.objects.update(secret_sealed=_another_secret(endpoint))
        endpoint.refresh_from_db()
        assert endpoints.endpoint_probe(endpoint=endpoint, actor=ADMIN).status == 401
    finally:
        receiver.kill()
        printed, _ = receiver.communicate()

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("accepted", 2)
    [first, second] = printed.splitlines()  # once each, though one was sent twice
    assert first.startswith("grant.granted ")
    assert second.startswith("webhook.test ")


def _another_secret(endpoint: WebhookEndpoint) -> bytes:
    return seal(signing.new_secret(), bound_to=endpoint.binding("secret_sealed"))


def listens(port: int) -> None:
    """Return once something takes connections at `port`."""
    for _ in range(200):
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            threading.Event().wait(0.05)
    raise AssertionError("nothing listens")


def test_what_a_killed_worker_had_sent_is_sent_again_under_the_same_id(start: Start) -> None:
    with receiving() as there:
        endpoint, secret = listening(there)
        [row] = put(endpoint)
        killed = start("webhook_worker", "stop")
        assert said(killed) == "ready"
        go(killed)
        assert said(killed) == "taken"
        killed.kill()
        killed.wait()
        assert deliver() == 0  # it is the killed one's, until its lease is over
        make_due()

        assert deliver() == 1

        assert there.ids == [row.message_id] * 2
        assert all(one.is_signed_by(secret) for one in there.received)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("accepted", 2)
