"""Workers say that they are alive; who is silent is missed, and nobody waits for the dead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from pytest_django import Settings

from portal import workers
from portal.runs import stream


@pytest.fixture(autouse=True)
def _nobody_yet() -> Iterator[None]:
    workers.leave()
    stream.sync_client().delete("daiko:workers")
    yield
    workers.leave()
    stream.sync_client().delete("daiko:workers")


def heart(name: str = "celery@here") -> SimpleNamespace:
    return SimpleNamespace(eventer=SimpleNamespace(hostname=name))


def test_one_that_said_so_is_alive_until_it_is_silent() -> None:
    assert workers.workers(at=timezone.now()) == []
    workers.say(heart())

    now = timezone.now()
    (here,) = workers.workers(at=now) or []
    assert here.is_alive
    assert here.name.startswith("celery@here (")
    (silent,) = workers.workers(at=now + timedelta(minutes=1)) or []
    assert not silent.is_alive
    assert workers.workers(at=now + timedelta(days=2)) == []


def test_one_that_is_stopped_is_not_missed() -> None:
    workers.say(heart())

    workers.leave()

    assert workers.workers(at=timezone.now()) == []


def test_a_redis_that_is_away_is_said_to_be_and_stops_no_worker(settings: Settings) -> None:
    stream.sync_client.cache_clear()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    try:
        workers.say(heart())
        assert workers.workers(at=timezone.now()) is None
        workers.leave()
    finally:
        stream.sync_client.cache_clear()


def test_a_worker_of_celery_says_so_by_its_own_heart() -> None:
    from celery.worker.heartbeat import Heart  # noqa: PLC0415  (it looks at once who listens)

    timer = SimpleNamespace(call_repeatedly=lambda *_: None, cancel=lambda _: None)
    sent: list[str] = []
    eventer = SimpleNamespace(
        hostname="celery@there",
        enabled=True,
        on_enabled=set(),
        on_disabled=set(),
        send=lambda event, **_: sent.append(event),
    )

    Heart(timer, eventer).start()

    assert sent == ["worker-online"]
    assert [worker.is_alive for worker in workers.workers(at=timezone.now()) or []] == [True]
