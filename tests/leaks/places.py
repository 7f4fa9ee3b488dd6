"""Where a secret could be kept: rows, keys, files, and what the engines wrote down of all changes.

Each function yields texts to search, each with what tells of a place in it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from redis import Redis

from tests.leaks.search import Search

_PAGE = 8192
_SHORT_HEADER, _LONG_HEADER, _IS_LONG = 24, 40, 0x0002
# What a segment is searched together with of the one before: no row here is longer.
_OVERLAP = 1 << 20


@dataclass
class Text:
    """Bytes to search, and what to call a place in them."""

    octets: bytes
    place: Callable[[int], str]


@dataclass
class Searched:
    """What was looked through, and where something was found."""

    octets: int = 0
    places: int = 0
    found: list[str] = field(default_factory=list)

    def through(self, texts: Iterable[Text], search: Search) -> Searched:
        """Look through `texts`, and return this."""
        for text in texts:
            self.octets += len(text.octets)
            self.places += 1
            for one in search.within(text.octets):
                self.found.append(f"{text.place(one.at)}: {one.kind} ({one.form})")
        return self


def rows(database_url: str) -> Iterator[Text]:
    """Yield every column of every table, as the bytes that were put there."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name,"
            " array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') GROUP BY 1, 2"
        ).fetchall()
        for schema, table, columns in tables:
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table)
            )
            with connection.cursor() as cursor, cursor.copy(query) as copied:
                held = [[bytes(value or b"") for value in row] for row in copied.rows()]
            for column, values in zip(columns, zip(*held, strict=True), strict=False):
                yield _joined(values, [f"{table}.{column}, row {n}" for n in range(len(values))])


def keys(redis_url: str) -> Iterator[Text]:
    """Yield every key of every database of Redis with all that it holds."""
    with Redis.from_url(redis_url) as server:
        numbers = [int(name.removeprefix("db")) for name in server.info("keyspace")]
    for number in numbers:
        with Redis.from_url(redis_url, single_connection_client=True) as client:
            client.execute_command("SELECT", number)
            for key in client.scan_iter(count=1000):
                pieces = [key, *_pieces(_held(client, key))]
                yield _joined(pieces, [f"Redis {number}, {_shape(key)}"] * len(pieces))


def _held(client: Redis, key: bytes) -> Any:
    kind: Any = client.type(key)
    read: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
        b"none": lambda: None,  # it ended meanwhile
    }
    return read[kind]()


def _pieces(held: Any) -> Iterator[bytes]:
    if isinstance(held, bytes):
        yield held
    elif isinstance(held, dict):
        yield from _pieces([*held.keys(), *held.values()])
    elif isinstance(held, list | tuple | set):
        for each in held:
            yield from _pieces(each)


def _shape(key: bytes) -> str:
    """Return a key without what may be the secret in it: where it is `a:b:c`, its first word."""
    return key.partition(b":")[0].decode(errors="replace")


def files(folder: Path, *, but: Iterable[str] = ()) -> Iterator[Text]:
    """Yield every file below `folder`, line numbers for places; not what is named in `but`."""
    left_out = {folder / name for name in but}
    for path, folders, names in os.walk(folder):
        here = Path(path)
        folders[:] = [name for name in folders if here / name not in left_out]
        for name in names:
            if (file := here / name) not in left_out and file.is_file():
                yield lines(file, called=str(file.relative_to(folder)))


def lines(file: Path, *, called: str = "") -> Text:
    """Return a file; its places are its lines."""
    octets, name = file.read_bytes(), called or file.name

    def place(at: int) -> str:
        number = octets.count(b"\n", 0, at) + 1
        return f"{name}:{number}"

    return Text(octets, place)


def changes(postgres: Path, *, database_url: str) -> Iterator[Text]:
    """Yield PostgreSQL's log of all changes: every row there ever was, rolled back or not.

    It is complete where the server keeps all of it (`embedded.engines.running(keeps_all=True)`).
    Pages have headers, which would cut in two what lies across them.
    """
    with psycopg.connect(database_url) as connection:
        # A commit that waits until everything before it is in the files too.
        connection.execute("SET synchronous_commit TO on")
        connection.execute("SELECT pg_logical_emit_message(true, 'searched', '')")
    before = b""
    for segment in sorted((postgres / "pg_wal").glob("[0-9A-F]" * 24)):
        octets = segment.read_bytes()
        pages = (octets[start : start + _PAGE] for start in range(0, len(octets), _PAGE))
        text = before + b"".join(map(_content, pages))
        yield Text(text, partial(_written, segment.name))
        before = text[-_OVERLAP:]


def _written(segment: str, at: int) -> str:
    return f"a row that was written, {at} bytes into pg_wal/{segment}"


def _content(page: bytes) -> bytes:
    is_long = int.from_bytes(page[2:4], "little") & _IS_LONG
    return page[_LONG_HEADER if is_long else _SHORT_HEADER :]


def _joined(pieces: Iterable[bytes], names: list[str]) -> Text:
    starts: list[int] = []
    octets = bytearray()
    for piece in pieces:
        starts.append(len(octets))
        octets += piece + b"\0"
    return Text(bytes(octets), lambda at: names[bisect_right(starts, at) - 1])
