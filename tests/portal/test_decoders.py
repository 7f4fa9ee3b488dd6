"""What agents answer, in every form that they do, cut into pieces anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.runs.decoded import (
    AgentReportedError,
    AnswerTooLong,
    AnswerUnreadable,
    Break,
    Decoded,
    Snapshot,
    Text,
    ToolCalled,
    ToolEnded,
    ToolStarted,
)
from portal.runs.decoders import decode


async def _pieces(raw: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


def decoded(content_type: str, raw: bytes, *, size: int = 7) -> list[Decoded]:
    async def collect() -> list[Decoded]:
        return [item async for item in decode(content_type, _pieces(raw, size))]

    return asyncio.run(collect())


def stream(*data: Any) -> bytes:
    return b"".join(f"data: {json.dumps(item)}\n\n".encode() for item in data)


def said(found: list[Decoded]) -> str:
    return "".join(item.text for item in found if isinstance(item, Text))


def delta(text: str) -> dict[str, Any]:
    return {"event": {"contentBlockDelta": {"delta": {"text": text}}}}


@pytest.mark.parametrize(
    "content_type, raw, text",
    [
        ("application/json", b'"Hello"', "Hello"),
        ("application/json; charset=utf-8", b'{"result": "Hello"}', "Hello"),
        ("application/json", b'{"response": "Hello"}', "Hello"),
        ("application/json", b'{"message": {"content": [{"text": "Hello"}]}}', "Hello"),
        (
            "application/json",
            b'{"result": {"role": "assistant", "content": [{"text": "A"}, {"text": "B"}]}}',
            "A\n\nB",
        ),
        ("application/json", b'{"sum": 3}', '```json\n{\n  "sum": 3\n}\n```'),
        ("text/plain", "Grüß Gott".encode(), "Grüß Gott"),
        ("text/markdown", b"**Hello**", "**Hello**"),
        ("text/event-stream", stream("Hel", "lo"), "Hello"),
        ("text/event-stream", b"data: plain words\n\n", "plain words"),
        ("text/event-stream", b"data: one\ndata: two\n\n", "one\ntwo"),
        ("text/event-stream", b"data: cut off at the end", "cut off at the end"),
        ("text/event-stream", stream(delta("Hel"), delta("lo")), "Hello"),
        ("text/event-stream", stream({"data": "Hel"}, {"data": "lo"}), "Hello"),
        ("text/event-stream", stream({"result": "Whole"}), "Whole"),
        ("text/event-stream", stream({"message": "Whole"}), "Whole"),
        (
            "text/event-stream",
            stream({"message": {"role": "assistant", "content": [{"text": "Whole"}]}}),
            "Whole",
        ),
        ("text/event-stream", stream({"type": "heartbeat"}, "Hello", 7, None, [], {}), "Hello"),
    ],
)
def test_the_words_of_an_answer_are_found(content_type: str, raw: bytes, text: str) -> None:
    assert said(decoded(content_type, raw)) == text


def test_an_agent_that_passes_everything_on_is_heard_once() -> None:
    everything = stream(
        {"init_event_loop": True},
        {"event": {"messageStart": {"role": "assistant"}}},
        delta("Hel"),
        {"data": "Hel", "delta": {"text": "Hel"}},
        delta("lo"),
        {"data": "lo", "delta": {"text": "lo"}},
        {"event": {"messageStop": {"stopReason": "end_turn"}}},
        {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        {"result": "AgentResult(...)"},
    )

    assert said(decoded("text/event-stream", everything)) == "Hello"


@pytest.mark.parametrize(
    "name, title",
    [
        ("x\x00y", "Xy"),
        ("half a \ud800 character", "Half a character"),
        ("two\nlines\x1b[31m", "Two lines[31m"),
        ("read\u202eradnelac", "Readradnelac"),
        ("\u2066a\u2069\u200f", "A"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u062f",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u062f",
        ),
    ],
)
def test_a_tools_title_has_no_characters_that_are_not_seen(name: str, title: str) -> None:
    found = decoded(
        "text/event-stream", stream({"current_tool_use": {"toolUseId": "t", "name": name}})
    )

    [started] = found
    assert isinstance(started, ToolStarted)
    assert (started.id, started.title) == ("t", title)
    assert started.name.lower() == title.lower()
    started.name.encode()


@pytest.mark.parametrize("name", ["", " \n", "\x00", "\ud800\u202e", "_-_"])
def test_a_tool_whose_name_cannot_be_read_is_left_out(name: str) -> None:
    use = {"toolUseId": "t", "name": name}
    result = {"toolResult": {"toolUseId": "t"}}

    raw = stream({"current_tool_use": use}, {"message": {"role": "user", "content": [result]}})

    assert decoded("text/event-stream", raw) == []


def test_tools_are_told_once_and_by_a_name_that_people_read() -> None:
    use = {"toolUseId": "t1", "name": "read_my-calendar"}
    found = decoded(
        "text/event-stream",
        stream(
            {"event": {"contentBlockStart": {"start": {"toolUse": use}}}},
            {"event": {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"day":'}}}}},
            {"current_tool_use": {**use, "input": '{"day":'}},
            {"event": {"contentBlockDelta": {"delta": {"toolUse": {"input": '"today"}'}}}}},
            {"event": {"contentBlockStop": {}}},
            {"current_tool_use": {**use, "input": {"day": "today"}}},
            {"message": {"content": [{"toolResult": {"toolUseId": "t1", "status": "error"}}]}},
            {"message": {"content": [{"toolResult": {"toolUseId": "unknown"}}]}},
        ),
    )

    assert found == [
        ToolStarted("t1", "Read my calendar", "read_my-calendar"),
        ToolCalled("t1", '{\n  "day": "today"\n}'),
        ToolEnded("t1", succeeded=False),
    ]


def test_what_a_tool_is_called_with_may_come_whole() -> None:
    use = {"toolUseId": "t1", "name": "add", "input": {"a": 1}}
    other = {"toolUseId": "t2", "name": "now", "input": {}}
    found = decoded(
        "text/event-stream",
        stream(
            {"current_tool_use": {**use, "input": ""}},
            {"current_tool_use": other},
            {"message": {"role": "assistant", "content": [{"toolUse": use}, {"toolUse": other}]}},
            {"message": {"content": [{"toolResult": {"toolUseId": "t2"}}]}},
        ),
    )

    assert [each for each in found if isinstance(each, ToolCalled)] == [
        ToolCalled("t1", '{\n  "a": 1\n}')
    ]


def test_an_input_that_is_nested_deeply_ends_no_answer() -> None:
    # Somewhere between what is read and what is not, it is read and cannot be written.
    for depth in range(700, 1000):
        deep = "[" * depth + "]" * depth
        use = f'{{"toolUseId": "t", "name": "x", "input": {deep}}}'
        call = f'data: {{"current_tool_use": {use}}}\n\ndata: "after"\n\n'

        assert decoded("text/event-stream", call.encode())[-1] == Text("after")


@pytest.mark.parametrize(
    "odd", [None, 7, [], {}, {"toolUseId": []}, {"toolUseId": "x", "input": 1}]
)
def test_odd_calls_of_tools_are_left_out(odd: Any) -> None:
    raw = stream(
        {"current_tool_use": odd},
        {"event": {"contentBlockStart": {"start": {"toolUse": odd}}}},
        {"event": {"contentBlockDelta": {"delta": {"toolUse": {"input": odd}}}}},
        {"event": {"contentBlockStop": {}}},
        {"message": {"content": [{"toolUse": odd}, {"toolResult": odd}]}},
        {"type": "TOOL_CALL_ARGS", "toolCallId": odd, "delta": odd},
        {"type": "TOOL_CALL_START", "toolCallId": odd, "toolCallName": odd},
        {"type": "TOOL_CALL_END", "toolCallId": odd},
        {"type": "TOOL_CALL_RESULT", "toolCallId": odd},
    )

    assert [each for each in decoded("text/event-stream", raw) if not isinstance(each, Break)] == []


def test_a_message_that_ends_ends_its_paragraph() -> None:
    found = decoded("text/event-stream", stream(delta("One"), {"event": {"messageStop": {}}}))

    assert found == [Text("One"), Break()]


@pytest.mark.parametrize(
    "content_type",
    ["", "text/html", "application/octet-stream", "image/png", "text/event-streams", "json"],
)
def test_content_that_is_no_answer_is_refused(content_type: str) -> None:
    with pytest.raises(AnswerUnreadable):
        decoded(content_type, b"data: x\n\n")


@pytest.mark.parametrize(
    "content_type, raw",
    [
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b"[" * 200_000),
        ("text/plain", b"\xff"),
        ("text/plain", b"\xc3"),
        ("text/event-stream", b"data: \xff\n\n"),
    ],
)
def test_content_that_is_not_what_it_says_is_refused(content_type: str, raw: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        decoded(content_type, raw, size=65536)


@pytest.mark.parametrize(
    "content_type, raw",
    [
        ("application/json", b'{"error": "Traceback"}'),
        ("text/event-stream", stream("Hel", {"error": "Traceback", "message": "x"})),
    ],
)
def test_an_error_of_the_agent_is_told_without_its_words(content_type: str, raw: bytes) -> None:
    with pytest.raises(AgentReportedError) as caught:
        decoded(content_type, raw)

    assert "Traceback" not in str(caught.value) + str(caught.value.message)


@pytest.mark.parametrize(
    "content_type, raw",
    [
        ("application/json", b'"' + b"x" * (5 << 20) + b'"'),
        ("text/event-stream", b"data: " + b"x" * (5 << 20)),
        ("text/event-stream", b"data: x\n" * 5_000_000),
    ],
)
def test_what_is_too_long_is_not_held(content_type: str, raw: bytes) -> None:
    with pytest.raises(AnswerTooLong):
        decoded(content_type, raw, size=1 << 16)


@given(
    st.lists(st.text(max_size=20), max_size=6),
    st.integers(1, 9),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_it_does_not_matter_where_the_stream_is_cut(words: list[str], size: int, end: str) -> None:
    raw = "".join(f"data: {json.dumps(word)}{end}{end}" for word in words).encode()

    assert said(decoded("text/event-stream", raw, size=size)) == "".join(words)


@settings(max_examples=30)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_json_breaks_the_decoder(value: Any) -> None:
    decoded("text/event-stream", stream({"event": value}, {"message": value}, {"data": value}))
    decoded("text/event-stream", stream({"message": {"content": value}}, {"result": value}, value))


def test_the_events_of_ag_ui_are_text_and_tools() -> None:
    found = decoded(
        "text/event-stream",
        stream(
            {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
            {"type": "STATE_SNAPSHOT", "snapshot": {"data": "not shown"}},
            {"type": "TOOL_CALL_START", "toolCallId": "1", "toolCallName": "read_calendar"},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "1", "delta": '{"day": '},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "1", "delta": "1}"},
            {"type": "TOOL_CALL_END", "toolCallId": "1"},
            {"type": "TOOL_CALL_RESULT", "toolCallId": "1", "content": "s3cret", "messageId": "0"},
            {"type": "TEXT_MESSAGE_START", "messageId": "1", "role": "assistant"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "Hel"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "lo."},
            {"type": "TEXT_MESSAGE_END", "messageId": "1"},
            {"type": "CUSTOM", "name": "data", "value": {"data": "not shown"}},
            {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
        ),
    )

    assert found == [
        Snapshot("state", {"data": "not shown"}),
        ToolStarted("1", "Read calendar", "read_calendar"),
        ToolCalled("1", '{\n  "day": 1\n}'),
        ToolEnded("1", True),
        Text("Hel"),
        Text("lo."),
        Break(),
    ]


def test_chunks_of_ag_ui_say_the_same_in_fewer_events() -> None:
    call = {"type": "TOOL_CALL_CHUNK", "toolCallId": "1", "toolCallName": "add", "delta": '{"a"'}
    more = {"type": "TOOL_CALL_CHUNK", "delta": ": 1}"}
    result = {"type": "TOOL_CALL_RESULT", "toolCallId": "1"}
    found = decoded(
        "text/event-stream",
        stream(call, more, result, {"type": "TEXT_MESSAGE_CHUNK", "delta": "5"}),
    )

    assert found == [
        ToolStarted("1", "Add", "add"),
        ToolCalled("1", '{\n  "a": 1\n}'),
        ToolEnded("1", True),
        Text("5"),
    ]


def test_an_answer_of_ag_ui_may_come_as_a_snapshot_alone() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]

    assert (
        said(
            decoded(
                "text/event-stream", stream({"type": "MESSAGES_SNAPSHOT", "messages": messages})
            )
        )
        == "Hello."
    )


def test_an_error_of_ag_ui_ends_the_answer() -> None:
    with pytest.raises(AgentReportedError):
        decoded("text/event-stream", stream({"type": "RUN_ERROR", "message": "s3cret"}))


@given(
    st.dictionaries(
        st.text(max_size=12), st.none() | st.integers() | st.text() | st.lists(st.none())
    )
)
def test_nothing_in_an_event_of_ag_ui_breaks_the_decoder(fields: dict[str, Any]) -> None:
    for kind in (
        "TEXT_MESSAGE_CONTENT",
        "TOOL_CALL_START",
        "TOOL_CALL_RESULT",
        "MESSAGES_SNAPSHOT",
    ):
        decoded(
            "text/event-stream", stream({**fields, "type": kind, "messages": [fields]}), size=99
        )
