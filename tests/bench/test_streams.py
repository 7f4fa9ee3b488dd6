"""The bench's own upstream, its streams and how memory is looked at."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bench import pinned
from bench.children import answering, answers, child, free_port
from bench.cpu import Meanwhile, below
from bench.http1 import chunk, message
from bench.memory import heaviest_mib, resident_mib
from bench.proxies import held
from bench.proxies.tokens import new_key
from embedded.process import Child, start_all, stop_all
from tests.engines import CHECKOUT


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    lifeline = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield {"BENCH_HOME": str(tmp_path), "BENCH_LIFELINE": str(lifeline)}
    os.close(lifeline)


@contextmanager
def upstream(env: dict[str, str]) -> Iterator[int]:
    port, keys = free_port(), Path(env["BENCH_HOME"]) / "keys.json"
    keys.write_text('{"keys": []}', encoding="utf-8")
    serve = ["-m", "bench.proxies.upstream", str(port), str(keys)]
    process = child("upstream", serve, env, port=port)
    try:
        start_all([process])
        yield port
    finally:
        stop_all([process])


def requests(env: dict[str, str], body: str) -> str:
    path = Path(env["BENCH_HOME"]) / "requests.json"
    head = f"POST / HTTP/1.1\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    path.write_text(json.dumps([head + body]), encoding="utf-8")
    return str(path)


def open_at(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /seen HTTP/1.1\r\n\r\n")
        return connection.recv(4096)


def streaming(env: dict[str, str], *told: str) -> Child:
    return answering("streams", ["-m", "bench.streams", *told], env)


def test_first_tokens_are_timed_and_each_stream_begins_another(env: dict[str, str]) -> None:
    asked = requests(env, '{"every_s": 0.01, "ticks": 2}')
    with upstream(env) as port:
        [seen] = answers([streaming(env, "first", str(port), "0.5", "3", asked)])

    assert seen["refused"] == 0
    assert seen["begun"] > 3
    assert 0 < seen["p50_ms"] <= seen["p99_ms"]


def test_held_streams_are_open_until_they_are_let_go(env: dict[str, str]) -> None:
    asked = requests(env, '{"every_s": 10}')
    with upstream(env) as port:
        with closing(answers([streaming(env, "hold", str(port), "7", asked)])) as said:
            assert next(said) == {"open": 7}
            assert b'"open": 7' in open_at(port)
        for _ in range(500):
            if b'"open": 0' in open_at(port):
                break
        else:
            pytest.fail("the upstream still sees open streams")


def test_a_message_in_chunks_is_whole_with_its_last_one() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

    assert message(head + chunk(b"hello")) is None
    assert message(head + chunk(b"hello") + chunk(b"")) == (
        head.removesuffix(b"\r\n\r\n"),
        b"5\r\nhello\r\n0\r\n\r\n",
    )


def test_a_program_is_on_its_core_with_all_the_files_it_may_have() -> None:
    core, _ = pinned.cores()
    code = "import os, resource as r; print(os.sched_getaffinity(0), r.getrlimit(r.RLIMIT_NOFILE))"
    command = [sys.executable, *pinned.command(core, sys.executable, "-c", code)]

    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=CHECKOUT)

    cores, _, limits = said.stdout.strip().partition(" ")
    soft, hard = limits.strip("()").split(", ")
    assert cores == f"{{{core}}}"
    assert soft == hard


def test_no_more_streams_are_asked_for_than_files_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))

    assert held.possible(5000) == (4096 - 500) // 2
    assert held.possible(100) == 100


def test_memory_is_that_of_the_largest_of_a_program_and_none_where_it_has_ended() -> None:
    assert heaviest_mib(os.getpid()) > resident_mib(os.getpid()) / 2 > 1
    assert os.getpid() in below(os.getpid())
    assert resident_mib(2**22 + 1) == 0


def test_what_others_use_is_never_less_than_nothing() -> None:
    assert Meanwhile().others() >= 0


def test_tokens_are_different_and_name_people_in_turn() -> None:
    tokens = new_key().tokens("https://issuer.invalid", ["a", "b"], count=3)

    assert len(set(tokens)) == 3
    assert all(token.count(".") == 2 for token in tokens)
