"""Many processes that want one token of their workload identity; one that is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.fixtures.provider import CLIENT_ID
from tests.vault.conftest import World, events, token_of
from tests.vault.test_refresh_processes import Reader, hashed
from vault.models import ObtainedToken

pytestmark = pytest.mark.django_db(transaction=True)

Read = Callable[..., Reader]


@pytest.fixture
def reader(world: World) -> Iterator[Read]:
    """Start processes that ask for the workload identity's own token."""
    with ExitStack() as stack:

        def start(*, threads: int = 1, stop_at: str = "") -> Reader:
            asked: dict[str, object] = {
                "workload_token": token_of(world.identity, None).reveal(),
                "provider": world.provider.name,
                "threads": threads,
                "stop_at": stop_at,
                "flow": "M2M",
            }
            started = Reader(asked)
            stack.callback(started.kill)
            return started

        yield start


def test_a_hundred_readers_in_two_processes_make_one_request(world: World, reader: Read) -> None:
    readers = [reader(threads=50) for _ in range(2)]
    for one in readers:
        assert one.hear() == "ready"

    for one in readers:
        one.say("go")
    got = [token for one in readers for token in one.got()]

    assert len(got) == 100
    assert set(got) == {hashed(world.token(None, flow="M2M"))}
    assert world.there.obtained == 1
    assert len(events("vault.token.obtained")) == 1
    assert len(events("vault.token.released")) == 101


@pytest.mark.parametrize("answered", [False, True])
def test_a_process_that_is_killed_while_it_asks_holds_nobody_up_for_long(
    answered: bool, world: World, reader: Read
) -> None:
    if answered:
        world.there.after.clear()
    victim = reader(stop_at="" if answered else "marked")
    assert victim.hear() == "ready"
    victim.say("go")
    if answered:
        assert world.there.waiting.wait(20)
    else:
        assert victim.hear() == "stopped"
    victim.kill()
    world.there.after.set()
    assert ObtainedToken.objects.get().asking_by is not None
    # A mark is taken for abandoned after twenty seconds.
    ObtainedToken.objects.update(asking_since=timezone.now() - timedelta(seconds=21))

    assert world.there.knows(world.token(None, flow="M2M")) == CLIENT_ID

    assert ObtainedToken.objects.get().asking_by is None
