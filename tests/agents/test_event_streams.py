"""Streams of events as they pass: whole events, found at a cost that follows what comes."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from agents.gateway.protocols import a2a, events, mcp
from core.errors import AppError
from tests.fixtures.loops import Run


async def _coming(*chunks: bytes, breaking: bool = False) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
    if breaking:
        raise AppError


async def _passed(body: AsyncGenerator[bytes]) -> list[bytes]:
    return [chunk async for chunk in events.ended(body, lambda _error, _last: {"over": True})]


OVER = b'data: {"over": true}\n\n'


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"])
def test_events_pass_whole_wherever_their_ends_are_cut(run: Run[Any], line: bytes) -> None:
    one, two = (b"event: x" + line + b"data: %d" % number + line * 2 for number in (1, 2))
    told = one + two + b"data: ha"

    for cut in range(len(told)):
        passed = run(_passed(_coming(told[:cut], told[cut:], breaking=True)))

        # Of an end that was cut in two, the other half may have ended an event that says nothing.
        assert b"".join(passed[:-1]).rstrip() == (one + two).rstrip()
        assert b"".join(passed[:-1])[-1:] in {b"\r", b"\n"}
        assert passed[-1] == OVER


def test_the_end_of_a_line_ends_no_event(run: Run[Any]) -> None:
    passed = run(_passed(_coming(b"event: x\r\n", b"data: 1\r\n", b"\r\ndata: 2")))

    assert passed == [b"event: x\r\ndata: 1\r\n\r\n", b"data: 2"]


LARGE = (b"id: 7\ndata: " + b"x" * 40_000, b"x" * 40_000)


async def _large(*after: bytes) -> tuple[list[bytes], bool]:
    """Return what passes of a large event and what comes after, and whether the stream broke."""
    passed: list[bytes] = []
    body = _coming(*LARGE, *after, breaking=True)
    try:
        async for chunk in events.ended(body, _of_one_that_was_kept):
            passed.append(chunk)
    except AppError:
        return passed, True
    return passed, False


def test_a_large_event_is_not_held_and_nothing_is_said_within_it(run: Run[Any]) -> None:
    assert run(_large()) == ([b"".join(LARGE)], True)
    assert run(_large(b"x", b"x" * 10)) == ([b"".join(LARGE)], True)


def _of_one_that_was_kept(_error: AppError, last: bytes | None) -> dict[str, Any] | None:
    return None if last is None else {"over": True}


def test_a_large_event_that_passed_is_none_of_which_anything_is_known(run: Run[Any]) -> None:
    passed, broke = run(_large(b"x\n\n"))

    assert (b"".join(passed), broke) == (b"".join(LARGE) + b"x\n\n", True)


def test_after_the_next_event_that_one_is_known(run: Run[Any]) -> None:
    small = b"data: 1\n\n"

    for after in ((b"x\n\n" + small,), (b"x\n\n", small)):
        passed, broke = run(_large(*after))

        assert b"".join(passed) == b"".join(LARGE) + b"x\n\n" + small + OVER
        assert not broke


def test_json_rpc_says_nothing_after_what_may_have_an_id() -> None:
    for protocol in (mcp.PROTOCOL, a2a.PROTOCOL):
        assert protocol.broken is not None
        assert protocol.broken(AppError(), last=None, rpc_id=1) is None
        assert protocol.broken(AppError(), last=b"id: 7\ndata: 1\n\n", rpc_id=1) is None
        assert protocol.broken(AppError(), last=b"data: 1\n\n", rpc_id=1) is not None


class _Counting:
    """Looks for ends, and counts the bytes that are looked at."""

    def __init__(self, end: re.Pattern[bytes]) -> None:
        self.looked_at = 0
        self._end = end

    def finditer(self, held: bytearray, begin: int = 0) -> Iterator[re.Match[bytes]]:
        self.looked_at += len(held) - begin
        return self._end.finditer(held, begin)


def test_an_event_that_comes_in_small_pieces_is_looked_at_once(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = _Counting(events._END)
    monkeypatch.setattr(events, "_END", counting)
    told = b"data: " + b"x" * 60_000 + b"\n\n"

    passed = run(_passed(_coming(*[told[at : at + 4] for at in range(0, len(told), 4)])))

    assert passed == [told]
    assert counting.looked_at < 2 * len(told)
