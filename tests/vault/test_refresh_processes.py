"""Many processes and one rotating refresh token; processes that are killed while they have it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from agents import workload
from core.models import User
from tests.connections import database_url
from tests.vault.conftest import Expire, World, events
from vault.models import Grant

pytestmark = pytest.mark.django_db(transaction=True)

CHECKOUT = Path(__file__).resolve().parents[2]


class Reader:
    """A child process that reads a token."""

    def __init__(self, asked: dict[str, object]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.vault.reader"],
            cwd=CHECKOUT,
            env=os.environ
            | {"DATABASE_URL": database_url(), "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.say(json.dumps(asked))

    def say(self, line: str) -> None:
        """Send one line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def got(self) -> list[str]:
        """Return what its threads got, once it has ended."""
        got: list[str] = json.loads(self.hear())
        assert self.process.wait(10) == 0
        return got

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


Read = Callable[..., Reader]


@pytest.fixture
def reader(world: World, alice: User) -> Iterator[Read]:
    """Start processes that read alice's token, each ready to be told to go."""
    token = workload.issue(
        workload_id=world.identity.pk,
        workload_name=world.identity.name,
        subject=alice.subject,
    )
    with ExitStack() as stack:

        def start(*, threads: int = 1, stop_at: str = "") -> Reader:
            asked = {
                "workload_token": token.reveal(),
                "provider": world.provider.name,
                "threads": threads,
                "stop_at": stop_at,
            }
            started = Reader(asked)
            stack.callback(started.kill)
            return started

        yield start


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_fifty_reads_at_expiry_from_three_processes_are_one_refresh_and_the_family_lives(
    world: World, alice: User, expire: Expire, reader: Read
) -> None:
    expire(world.grant(alice))
    readers = [reader(threads=17) for _ in range(3)]
    for one in readers:
        assert one.hear() == "ready"

    for one in readers:
        one.say("go")
    got = [token for one in readers for token in one.got()]

    assert len(got) == 51
    assert world.there.refreshes == 1
    assert not world.there.family_of("alice").ended
    assert set(got) == {hashed(world.token(alice))}
    assert len(events("vault.refresh")) == 1
    assert len(events("vault.token.released")) == 52
    expire(Grant.objects.get())
    assert world.there.knows(world.token(alice)) == "alice"


def _killed_while(step: str, world: World, reader: Read) -> None:
    """Have a process refresh and be killed at `step`, and let enough time go by to notice."""
    if step == "sent":
        world.there.after.clear()
    victim = reader(stop_at="" if step == "sent" else step)
    assert victim.hear() == "ready"
    victim.say("go")
    if step == "sent":
        assert world.there.waiting.wait(20)
    else:
        assert victim.hear() == "stopped"
    victim.kill()
    world.there.after.set()
    marked = Grant.objects.get()
    assert marked.spending_by is not None
    # A claim is taken for abandoned after twenty seconds.
    Grant.objects.update(spending_since=timezone.now() - timedelta(seconds=21))


@pytest.mark.parametrize("step", ["marked", "sent", "answered"])
def test_a_process_killed_with_the_refresh_token_in_hand_costs_nothing_within_the_grace(
    step: str, world: World, alice: User, expire: Expire, reader: Read
) -> None:
    world.there.forgives = True
    expire(world.grant(alice))
    _killed_while(step, world, reader)

    assert world.there.knows(world.token(alice)) == "alice"

    assert world.there.refreshes == 1
    assert not world.there.family_of("alice").ended
    assert Grant.objects.get().state == "live"


@pytest.mark.parametrize("step", ["sent", "answered"])
def test_where_the_provider_forgives_nothing_a_killed_process_leads_to_a_clean_new_consent(
    step: str, world: World, alice: User, expire: Expire, reader: Read
) -> None:
    expire(world.grant(alice))
    _killed_while(step, world, reader)

    world.wait(alice)

    assert Grant.objects.get().state == "lapsed"
    assert [(e.outcome, e.reason) for e in events("vault.refresh")] == [
        ("failed", "reconnect_needed")
    ]


def test_found_after_the_grace_a_killed_process_leads_to_consent_and_no_request(
    world: World, alice: User, expire: Expire, reader: Read
) -> None:
    expire(world.grant(alice))
    _killed_while("sent", world, reader)
    Grant.objects.update(spending_since=timezone.now() - timedelta(seconds=61))
    asked = len(world.there.asked_at("/token"))

    world.wait(alice)

    assert len(world.there.asked_at("/token")) == asked
    assert not world.there.family_of("alice").ended
    assert Grant.objects.get().state == "lapsed"
