"""The event loop's own way to PostgreSQL, for what the data plane writes and reads.

Django's ORM is synchronous below its async surface; on the hot path that costs a thread hop per
query. Sync code uses the ORM; the data plane uses this pool.
"""

from __future__ import annotations

import asyncio
import contextvars
import select
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

A = TypeVar("A")
T = TypeVar("T")
Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]

_MAX_SIZE = 8
_TIMEOUT_S = 5.0
# Also for each statement, and for a server that does not even acknowledge: many wait for one.
_PATIENCE = {
    "options": f"-c statement_timeout={int(_TIMEOUT_S * 1000)}",
    "tcp_user_timeout": int(_TIMEOUT_S * 1000),
}
# What a statement for many may fail by because of one of them: each can be asked for alone.
OF_ONE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ProgramLimitExceeded,
)
_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


async def pool() -> Pool:
    """Return the pool of the running event loop, opened at its first use.

    Its connections commit each statement, and one that died while it was idle is replaced before
    anybody gets it.
    """
    loop = asyncio.get_running_loop()
    found = _pools.get(loop)
    if found is None:
        found = _pools[loop] = AsyncConnectionPool(
            _conninfo(),
            min_size=1,
            max_size=_MAX_SIZE,
            timeout=_TIMEOUT_S,
            check=_refuse_ended,
            kwargs={"autocommit": True},
            open=False,
        )
    if found.closed:  # also for whoever comes while the first one is still opening it
        await found.open()
    return found


async def _refuse_ended(connection: AsyncConnection[tuple[Any, ...]]) -> None:
    """Raise if the server has ended the connection while nobody used it.

    A server that ends a connection says so on it, and an idle one is silent otherwise; so it is
    asked only where there is something to read, and not at each use.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def close() -> None:
    """Close the running event loop's pool, if it was opened."""
    found = _pools.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


def _conninfo() -> str:
    names = {
        "NAME": "dbname",
        "USER": "user",
        "PASSWORD": "password",
        "HOST": "host",
        "PORT": "port",
    }
    known = {names[k]: v for k, v in connection.settings_dict.items() if k in names and v}
    options = {k: v for k, v in connection.settings_dict["OPTIONS"].items() if k != "pool"}
    return make_conninfo(
        "", **{"application_name": "daiko-data-plane", **_PATIENCE, **options, **known}
    )


# What may wait for other servers has threads of its own: a provider that hangs holds up those who
# ask it, and not the short questions of everybody else.
_quick = ThreadPoolExecutor(max_workers=16, thread_name_prefix="orm")
_patient = ThreadPoolExecutor(max_workers=64, thread_name_prefix="orm-patient")


async def on_thread(work: Callable[[A], T], argument: A, *, may_wait: bool = False) -> T:
    """Return `work(argument)`, which may use the ORM, run on a thread that keeps no connection.

    `may_wait` says that it may also wait for other servers.
    """
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(work, argument)
        finally:
            connections.close_all()

    threads = _patient if may_wait else _quick
    return await asyncio.get_running_loop().run_in_executor(threads, run)


async def here_or_on_thread(work: Callable[[A], T], argument: A) -> T:
    """Return `work(argument)`, run here, or on a thread if it turns out to need the ORM.

    Django refuses a query on an event loop before anything is sent, so `work` may begin again. It
    is for what asks the database once a process, such as opening a seal.
    """
    try:
        return work(argument)
    except SynchronousOnlyOperation:
        return await on_thread(work, argument)


def let_go() -> None:
    """Give this thread's connection back while it waits for others, unless in a transaction.

    The pool has fewer connections than there may be threads that wait for a provider.
    """
    for known in connections.all(initialized_only=True):
        if not known.in_atomic_block:
            known.close()


def apart(work: Callable[[], T]) -> T:
    """Return `work()`, committed whatever becomes of the caller's transaction.

    It runs on a connection, and so on a thread, of its own while this one waits.
    """

    def run() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(run).result()
