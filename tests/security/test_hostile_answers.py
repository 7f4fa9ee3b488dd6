"""What an agent answers may be meant to hold up everybody else, and does not."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterable

import pytest

from portal.runs import decoders, markdown, parts, stream
from portal.runs.answer import Answer
from portal.runs.decoders import AnswerTooLong, Decoded, Text, ToolStarted, decode

CHARS = 400_000  # as long as an answer may be
BEARABLE_S = 3.0


async def _in_pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def decoded(*pieces: bytes) -> list[Decoded]:
    """Return what an event stream that comes in `pieces` tells."""

    async def collect() -> list[Decoded]:
        return [found async for found in decode("text/event-stream", _in_pieces(pieces))]

    return asyncio.run(collect())


def cpu_s_of(text: str) -> float:
    """Return how long a processor is busy with `text`."""
    began = time.process_time()
    markdown.render(text)
    return time.process_time() - began


def test_an_event_of_nothing_but_empty_lines_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_MAX_LINE_CHARS", 1000)

    with pytest.raises(AnswerTooLong):
        decoded(b"data:\n" * 300)


def test_a_line_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_MAX_LINE_CHARS", 1000)

    with pytest.raises(AnswerTooLong):
        decoded(*[b"data: x"] * 300)


def test_a_long_line_in_tiny_pieces_is_read_once() -> None:
    began = time.process_time()

    [text] = decoded(b"data: ", *[b"x"] * 400_000, b"\n\n")

    assert text == Text("x" * 400_000)
    assert time.process_time() - began < BEARABLE_S


@pytest.mark.parametrize(
    "pieces", [(b"data: a\r", b"\ndata: b\r\r\ndata: c"), (b"data: a\ndata: b\n\ndata: c\r",)]
)
def test_lines_end_as_html_says_wherever_the_pieces_do(pieces: tuple[bytes, ...]) -> None:
    assert decoded(*pieces) == [Text("a\nb"), Text("c")]


def test_no_more_tools_are_told_of_than_a_page_can_show() -> None:
    events = (
        b"data: %s\n\n"
        % json.dumps({"current_tool_use": {"toolUseId": f"t{n}", "name": "x"}}).encode()
        for n in range(1500)
    )

    told = decoded(*events)

    assert len(told) == 200
    assert {type(found) for found in told} == {ToolStarted}


@pytest.mark.parametrize(
    "text",
    [
        "[" * CHARS,
        "*_" * (CHARS // 2),
        "[a](" * (CHARS // 4),
        "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + "a\n" * (CHARS // 4),
        ("|a" * 30 + "|\n" + "|-" * 30 + "|\n" + "a\n" * 900 + "\n") * (CHARS // 8000),
    ],
    ids=["brackets", "emphasis", "links", "a wide table", "many tables"],
)
def test_a_text_that_is_meant_to_take_long_does_not(text: str) -> None:
    assert cpu_s_of(text) < BEARABLE_S


def test_an_ordinary_table_stays_a_table() -> None:
    rows = "".join(f"| {n} | *x* |\n" for n in range(200))

    html = "".join(markdown.render(f"| a | b |\n| --- | --- |\n{rows}"))

    assert html.count("<tr>") == 201
    assert "<em>x</em>" in html


def test_an_answer_of_countless_paragraphs_makes_few_blocks() -> None:
    text = "x\n\n" * 5000
    growing = markdown.Blocks()

    half, whole = growing.update(text[:9000]), growing.update(text)

    assert len(markdown.render(text)) == len(whole) == len(half) == 1000
    assert "".join(whole).count("<p>x</p>") == 5000


def test_html_is_made_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made_on: list[int] = []
    render = markdown.render

    def noting(text: str) -> list[str]:
        made_on.append(threading.get_ident())
        return render(text)

    class Noting(markdown.Blocks):
        def update(self, text: str) -> list[str]:
            made_on.append(threading.get_ident())
            return super().update(text)

    monkeypatch.setattr(markdown, "Blocks", Noting)
    monkeypatch.setattr(markdown, "render", noting)

    monkeypatch.setattr(parts, "place", lambda run_id, part: 0)

    async def tell() -> None:
        answer = Answer(uuid.uuid4())
        await answer.add("Hello.")
        try:
            await answer.tell()
            await answer.close_text()
        finally:
            await stream.close()

    asyncio.run(tell())

    assert len(made_on) == 2
    assert threading.get_ident() not in made_on
