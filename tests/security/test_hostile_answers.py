"""What an agent answers may be meant to hold up everybody else, and does not."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterable

import pytest

from portal import timeline
from portal.runs import decoders, markdown, parts, settled, stream
from portal.runs.answer import MAX_CHARS, Answer
from portal.runs.decoded import AnswerTooLong, Decoded, Text, ToolStarted
from portal.runs.decoders import decode
from tests.effort import calls_of, ended_if_endless

CHARS = MAX_CHARS
BEARABLE_CALLS = 3_000_000


async def _in_pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def decoded(*pieces: bytes) -> list[Decoded]:
    """Return what an event stream that comes in `pieces` tells."""

    async def collect() -> list[Decoded]:
        return [found async for found in decode("text/event-stream", _in_pieces(pieces))]

    return asyncio.run(collect())


def test_an_event_of_nothing_but_empty_lines_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_MAX_LINE_CHARS", 1000)

    with pytest.raises(AnswerTooLong):
        decoded(b"data:\n" * 300)


def test_a_line_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_MAX_LINE_CHARS", 1000)

    with pytest.raises(AnswerTooLong):
        decoded(*[b"data: x"] * 300)


def test_a_long_line_in_tiny_pieces_is_read_once() -> None:
    with ended_if_endless():
        [text] = decoded(b"data: ", *[b"x"] * 400_000, b"\n\n")

    assert text == Text("x" * 400_000)


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
        "> " * 19 + "a\n" + "b\n" * (CHARS // 2),
        "- > " * 9 + "a\n" + "b\n" * (CHARS // 2),
        ("[" * 7900 + "\n\n") * (CHARS // 7902),
        ("**a_b*" * 1300 + "\n\n") * (CHARS // 7802),
        "- a\n" * (CHARS // 4),
        ("- " * 6 + "a\n") * (CHARS // 14),
        "x\n\n" * (CHARS // 3),
    ],
    ids=[
        "brackets",
        "emphasis",
        "links",
        "a wide table",
        "many tables",
        "quotes in quotes",
        "quotes in lists",
        "paragraphs of brackets",
        "paragraphs of emphasis",
        "a list",
        "lists in lists",
        "paragraphs",
    ],
)
def test_a_text_that_is_meant_to_take_long_does_not(text: str) -> None:
    assert calls_of(lambda: markdown.render(text)) < BEARABLE_CALLS


def test_quotes_and_lists_in_each_other_end_and_nothing_of_them_is_lost() -> None:
    html = "".join(markdown.render("> - " * 20 + "deep\n\nafter"))

    assert html.count("<blockquote>") == html.count("<ul>") == 3
    assert "deep" in html
    assert html.endswith("<p>after</p>")


def test_more_lists_than_anybody_reads_are_shown_as_they_were_written() -> None:
    html = "".join(markdown.render("- a\n\n+ b\n\n" * 900))

    assert html.count("<ul>") == 1000
    assert html.count("a") + html.count("b") == 1800


def test_lines_beyond_the_limit_are_shown_as_they_were_written() -> None:
    text = "- *a*\n" * 4000 + "*b* <b>\n*c*\n"
    growing = markdown.Blocks()

    shown = [growing.update(text[:end])[-1] for end in (24_000, 24_004, len(text))]

    first, rest = markdown.render(text)
    assert first.count("<em>a</em>") == 4000
    assert rest == "<pre><code>*b* &lt;b&gt;\n*c*\n</code></pre>"
    assert shown == [first, "<pre><code>*b* </code></pre>", rest]


def test_marks_beyond_the_limit_are_shown_as_they_were_written() -> None:
    paragraph = "**a_b*" * 1000
    usual = "A **bold** word, and [a link](https://a.example).\n\n" * 500

    *before, last = markdown.render(f"{usual}{paragraph}\n\n*short*")

    assert before[-1] == f"<p>{paragraph}</p>"
    assert before[:-1] == before[:1] * 500
    assert "<strong>bold</strong>" in before[0]
    assert last == "<p><em>short</em></p>"


def test_a_text_that_stays_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    render = markdown.render

    def noting(text: str) -> list[str]:
        rendered.append(text)
        return render(text)

    monkeypatch.setattr(markdown, "render", noting)
    settled.forget()

    shown = [parts.shape_of(timeline.Text("*a*"))["blocks"] for _ in range(3)]

    assert shown == [["<p><em>a</em></p>"]] * 3
    assert rendered == ["*a*"]


def test_what_is_kept_of_texts_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    settled.forget()
    kept = settled.blocks_of("a")
    assert settled.blocks_of("a") is kept
    monkeypatch.setattr(settled, "_MAX_CHARS", 30)

    for text in ("b", "c", "d"):
        settled.blocks_of(text)

    assert settled.blocks_of("d") is settled.blocks_of("d")
    assert settled.blocks_of("a") is not kept


def test_an_ordinary_table_stays_a_table() -> None:
    rows = "".join(f"| {n} | *x* |\n" for n in range(200))

    html = "".join(markdown.render(f"| a | b |\n| --- | --- |\n{rows}"))

    assert html.count("<tr>") == 201
    assert "<em>x</em>" in html


def test_an_answer_of_countless_paragraphs_makes_few_blocks() -> None:
    text = "x\n\n" * 1900
    growing = markdown.Blocks()

    half, whole = growing.update(text[:4500]), growing.update(text)

    assert len(markdown.render(text)) == len(whole) == len(half) == 1000
    assert "".join(whole).count("<p>x</p>") == 1900


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
