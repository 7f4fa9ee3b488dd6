"""Workers deliver at the same time, and one of them is killed between sending and keeping that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.connections import database_url
from tests.engines import CHECKOUT
from tests.vault.webhook_parts import deliver, listening, make_due, put
from tests.vault.webhook_receiver import receiving
from vault.models import WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 40
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start workers on the tests' database; what is left of them is killed."""
    with ExitStack() as stack:

        def begin(*asked: str) -> subprocess.Popen[str]:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.vault.webhook_worker", *asked],
                cwd=CHECKOUT,
                env=os.environ | {"DATABASE_URL": database_url()},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(worker)
            stack.callback(worker.kill)
            return worker

        yield begin


def test_two_workers_deliver_each_event_once(start: Start) -> None:
    with receiving() as there:
        endpoint, secret = listening(there)
        put(endpoint, count=COUNT)

        workers = [start() for _ in range(2)]
        made = [int(worker.communicate(timeout=60)[0]) for worker in workers]

        assert sum(made) == COUNT
        assert len(there.received) == len(set(there.ids)) == COUNT
        assert all(one.is_signed_by(secret) for one in there.received)
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("accepted", 1)}


def test_what_a_killed_worker_had_sent_is_sent_again_under_the_same_id(start: Start) -> None:
    with receiving() as there:
        endpoint, secret = listening(there)
        [row] = put(endpoint)
        killed = start("stop")
        assert killed.stdout is not None
        assert killed.stdout.readline() == "taken\n"
        killed.kill()
        killed.wait()
        assert deliver() == 0  # it is the killed one's, until its lease is over
        make_due()

        assert deliver() == 1

        assert there.ids == [row.message_id] * 2
        assert all(one.is_signed_by(secret) for one in there.received)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("accepted", 2)
