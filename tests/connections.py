"""The tests' database: where it is, and how many of the ORM's connections somebody holds."""

import threading
import time

from django.db import connection
from psycopg.conninfo import make_conninfo

NAMES = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


def database_url() -> str:
    """Return what DATABASE_URL is for a process that works on the tests' own database."""
    known = connection.settings_dict
    return make_conninfo(**{there: known[here] for here, there in NAMES.items() if known[here]})


def connections_in_use() -> int:
    """Return how many of the pool's connections are out, this thread's included."""
    connection.ensure_connection()
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]  # PostgreSQL's, with a pool
    return int(stats["pool_size"]) - int(stats["pool_available"])


def come_down_to(number: int) -> bool:
    """Say whether no more than `number` connections are out, or soon will be.

    The pool takes them back on a thread of its own.
    """
    give_up_at = time.monotonic() + 10
    while connections_in_use() > number:
        if time.monotonic() > give_up_at:
            return False
        threading.Event().wait(0.01)
    return True
