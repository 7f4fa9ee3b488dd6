from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from core import audit, database, reference, strangers
from core.audit import AuditUnavailable, Event
from core.models import AuditEvent
from core.strangers import TooManyRefusals

pytestmark = pytest.mark.django_db(transaction=True)

KNOCK = Event("wire.call", outcome="refused", reason="signature_unknown_key")


@pytest.fixture(autouse=True)
def _two_a_minute(settings: Any) -> Iterator[None]:
    settings.DAIKO_REFUSALS_PER_MINUTE = 2
    strangers.forget()
    yield
    strangers.forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(strangers, "monotonic", lambda: now[0])
    return now


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def closing() -> None:
        try:
            await work()
            await strangers.settle()
        finally:
            await database.close()

    asyncio.run(closing())


async def knock(ip: str | None = "192.0.2.7", event: Event = KNOCK) -> int | None:
    """Return None where the refusal went on record, or the seconds that the stranger is told."""
    reference.begin(ip)
    try:
        await strangers.refused(event)
    except TooManyRefusals as exc:
        return exc.retry_after_s
    return None


def rows(action: str = "wire.call") -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


def test_beyond_the_allowance_refusals_are_counted_and_told_once(clock: list[float]) -> None:
    told = []

    async def work() -> None:
        for number in range(5):
            reason = "signature_missing" if number == 4 else KNOCK.reason
            told.append(await knock(event=Event("wire.call", outcome="refused", reason=reason)))

    run(work)

    assert told == [None, None, 30, 30, 30]
    assert len(rows()) == 2
    [counted] = rows("strangers.refused")
    assert (counted.outcome, counted.reason) == ("refused", "too_many_refusals")
    assert counted.client_ip == "192.0.2.7"
    assert counted.detail == {
        "calls": 3,
        "reasons": {"signature_unknown_key": 2, "signature_missing": 1},
    }


def test_the_allowance_comes_back_with_time_and_grows_no_larger(clock: list[float]) -> None:
    told = []

    async def work() -> None:
        for pause in (0, 0, 0, 30, 0, 3600, 0, 0):
            clock[0] += pause
            told.append(await knock())

    run(work)

    assert told == [None, None, 30, None, 30, None, None, 30]


def test_each_address_has_an_allowance_of_its_own(clock: list[float]) -> None:
    told = []

    async def work() -> None:
        for ip in ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"):
            told.append(await knock(ip))

    run(work)

    assert told == [None, None, 30, None]


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
    ],
)
def test_a_network_of_ipv6_is_one_address(
    clock: list[float], first: str, second: str, one: bool
) -> None:
    told = []

    async def work() -> None:
        for ip in (first, first, second):
            told.append(await knock(ip))

    run(work)

    assert (told[-1] is not None) is one


def test_this_process_is_no_stranger(clock: list[float]) -> None:
    told = []

    async def work() -> None:
        for _ in range(4):
            told.append(await knock(None))

    run(work)

    assert told == [None] * 4
    assert len(rows()) == 4


def test_without_a_limit_every_refusal_is_on_record(settings: Any, clock: list[float]) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 0

    async def work() -> None:
        for _ in range(4):
            assert await knock() is None

    run(work)

    assert len(rows()) == 4


def test_more_addresses_than_are_kept_share_one_allowance(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_MAX_ADDRESSES", 2)
    told = []

    async def work() -> None:
        for last in (1, 2, 3, 4, 5, 1):
            told.append(await knock(f"192.0.2.{last}"))
        clock[0] += 60  # the first two are forgotten by now
        told.append(await knock("192.0.2.5"))

    run(work)

    assert told == [None, None, None, None, 30, None, None]


def test_a_count_goes_on_record_by_itself(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_MINUTE_S", 0.05)

    async def work() -> None:
        for _ in range(3):
            await knock()
        async with asyncio.timeout(10):
            while strangers._telling:
                await asyncio.gather(*strangers._telling)
        assert await knock() is not None  # and counting goes on

    run(work)

    assert [row.detail["calls"] for row in rows("strangers.refused")] == [1, 1]


def test_a_refusal_that_cannot_be_recorded_is_no_refusal_yet(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def unavailable(event: Event) -> None:
        raise AuditUnavailable

    monkeypatch.setattr(audit, "arecord", unavailable)

    async def work() -> None:
        for _ in range(2):
            with pytest.raises(AuditUnavailable):
                await knock()
        assert await knock() == 30

    run(work)

    assert [record.message for record in caplog.records] == ["strangers.not_recorded"]
