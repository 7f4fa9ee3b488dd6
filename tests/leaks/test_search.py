"""The search can fail: a secret put into each kind of place, in each form, is found there."""

from __future__ import annotations

import base64
import html
import json
import logging
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from redis import Redis

from core.logs import EventFormatter
from embedded.engines import running
from embedded.instance import held_temporarily
from tests.engines import CHECKOUT
from tests.leaks.places import Searched, Text, changes, files, keys, rows
from tests.leaks.recorder import sitecustomize
from tests.leaks.recorder.sitecustomize import FOLDER
from tests.leaks.search import LEAST, Found, Search

SECRET = f'a+{secrets.token_urlsafe(24)}/"ü"<'
KIND = "what was planted"


@dataclass(frozen=True)
class Planted:
    """Engines of these tests alone, kept as those of a run are."""

    home: Path
    database_url: str
    redis_url: str

    def in_rows(self, *statements: tuple[Any, ...], roll_back: bool = False) -> None:
        with psycopg.connect(self.database_url) as connection:
            for statement in statements:
                connection.execute(*statement)
            if roll_back:
                connection.rollback()

    def changes(self) -> Iterator[Text]:
        return changes(self.home / "postgres", database_url=self.database_url)


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    with (
        held_temporarily(CHECKOUT / "var" / "test") as instance,
        running(instance, durable=False, keeps_all=True) as engines,
    ):
        engines.postgres.database_ensure("planted")
        url = engines.postgres.url("planted")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE place (words text, octets bytea, told jsonb)")
        yield Planted(instance.home, url, engines.redis.url)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search([(secrets.token_bytes(32), "another"), (SECRET.encode(), KIND)])


def encoded(into: Callable[[bytes], bytes], before: str) -> bytes:
    return into(f"{before}{SECRET}.".encode())


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("as it is", SECRET.encode()),
        ("hex", SECRET.encode().hex().encode()),
        *(("base64", encoded(base64.b64encode, "x" * n)) for n in range(3)),
        *(("base64", encoded(base64.urlsafe_b64encode, "x" * n)) for n in range(3)),
        ("URL-encoded", quote(SECRET, safe="").encode()),
        ("URL-encoded twice", quote(quote(SECRET, safe=""), safe="").encode()),
        ("JSON", json.dumps({"at": SECRET}).encode()),
        ("JSON", json.dumps({"at": SECRET}, ensure_ascii=False).encode()),
        ("HTML", html.escape(SECRET).encode()),
    ],
)
@pytest.mark.parametrize("at", range(9))
def test_it_is_found_in_each_form_wherever_it_begins(
    search: Search, form: str, written: bytes, at: int
) -> None:
    before = b"." * at

    [found] = search.within(before + written + b"." * (9 - at))

    assert (found.kind, found.form) == (KIND, form)
    assert found.at >= at


def test_what_is_nearly_it_is_not_found(search: Search) -> None:
    assert not list(search.within(SECRET[:-1].encode() + b"?" + SECRET[1:].encode()))


def test_all_of_many_are_found_and_each_where_it_is() -> None:
    many = {secrets.token_urlsafe(LEAST): str(number) for number in range(5000)}
    text = " ".join(many).encode()

    found = Search((each.encode(), kind) for each, kind in many.items()).within(text)

    assert list(found) == [
        Found(kind, "as it is", text.index(each.encode())) for each, kind in many.items()
    ]


def test_a_secret_in_a_column_of_text_is_found(planted: Planted, search: Search) -> None:
    planted.in_rows(
        ("DELETE FROM place",),
        ("INSERT INTO place (words) VALUES ('x'), (%s)", [f"so: {SECRET}"]),
    )

    found = Searched().through(rows(planted.database_url), search).found

    assert found == [f"place.words, row 1: {KIND} (as it is)"]


def test_a_secret_in_binary_and_one_in_json_is_found(planted: Planted, search: Search) -> None:
    planted.in_rows(
        ("DELETE FROM place",),
        ("INSERT INTO place (octets) VALUES (%s)", [SECRET.encode() + b"\0"]),
        ("INSERT INTO place (told) VALUES (%s)", [json.dumps({"a": [SECRET]})]),
    )

    found = Searched().through(rows(planted.database_url), search).found

    assert sorted(found) == [
        f"place.octets, row 0: {KIND} (as it is)",
        f"place.told, row 1: {KIND} (JSON)",
    ]


def test_a_secret_in_a_row_that_never_was_is_found(planted: Planted) -> None:
    gone = secrets.token_urlsafe(32)
    planted.in_rows(("INSERT INTO place (words) VALUES (%s)", [gone]), roll_back=True)
    search = Search([(gone.encode(), KIND)])

    assert not Searched().through(rows(planted.database_url), search).found
    found = Searched().through(planted.changes(), search).found

    assert any(each.endswith(f": {KIND} (as it is)") for each in found)


def test_a_secret_that_lies_across_pages_of_the_log_of_changes_is_found(planted: Planted) -> None:
    long = secrets.token_hex(100)
    count = 500
    planted.in_rows(
        ("CREATE TABLE many (words text)",),
        ("INSERT INTO many SELECT %s FROM generate_series(1, %s)", [long, count]),
        roll_back=True,
    )

    found = Searched().through(planted.changes(), Search([(long.encode(), KIND)]))

    assert len(found.found) == count


@pytest.mark.parametrize(
    "plant",
    [
        lambda redis: redis.set("place:1", SECRET),
        lambda redis: redis.set(f"place:{SECRET}", "x"),
        lambda redis: redis.rpush("place:1", "x", json.dumps({"body": SECRET})),
        lambda redis: redis.rpush("place:1", base64.b64encode(f"ab{SECRET}cd".encode())),
        lambda redis: redis.hset("place:1", "field", SECRET),
        lambda redis: redis.hset("place:1", SECRET, "value"),
        lambda redis: redis.sadd("place:1", "x", SECRET),
        lambda redis: redis.zadd("place:1", {SECRET: 1}),
        lambda redis: redis.xadd("place:1", {"data": SECRET}),
    ],
    ids=["string", "name", "list", "queue", "hash", "field", "set", "sorted set", "stream"],
)
def test_a_secret_in_redis_is_found_now_and_after_it_is_gone(
    planted: Planted, search: Search, plant: Callable[[Redis], object]
) -> None:
    with Redis.from_url(planted.redis_url, single_connection_client=True) as redis:
        redis.execute_command("SELECT", 1)
        redis.flushall()
        plant(redis)
        found = Searched().through(keys(planted.redis_url), search).found
        redis.flushall()

    assert len(found) == 1
    assert found[0].startswith(f"Redis 1, place: {KIND}")
    assert not Searched().through(keys(planted.redis_url), search).found
    assert any(
        each.startswith("redis/")
        for each in Searched().through(files(planted.home, but=["postgres"]), search).found
    )


def test_a_secret_in_the_log_of_an_engine_is_found(planted: Planted) -> None:
    said = secrets.token_urlsafe(32)
    planted.in_rows((f"DO $$ BEGIN RAISE LOG '{said}'; END $$",))
    search = Search([(said.encode(), KIND)])

    [found] = Searched().through(files(planted.home, but=["postgres"]), search).found

    assert found.startswith("log/postgres.log:")


def test_a_secret_in_a_line_of_the_sites_log_is_found_and_its_line_is_told(
    tmp_path: Path, search: Search
) -> None:
    handler = logging.FileHandler(tmp_path / "site.log")
    handler.setFormatter(EventFormatter())
    for words in ("nothing", f"something: {SECRET}"):
        handler.handle(logging.makeLogRecord({"msg": words}))
    handler.close()

    [found] = Searched().through(files(tmp_path), search).found

    assert found == f"site.log:2: {KIND} (JSON)"


def test_a_process_writes_down_each_secret_it_makes_before_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal; from core.secret import Secret\n"
        f"Secret({SECRET!r}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {"PYTHONPATH": str(Path(sitecustomize.__file__).parent), FOLDER: str(tmp_path)}

    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=env, check=False)

    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    [value, kind, program] = json.loads(file.read_bytes())
    assert base64.b64decode(value).decode() == SECRET
    assert (kind, program) == ("Secret of __main__.<module>", "-c")
