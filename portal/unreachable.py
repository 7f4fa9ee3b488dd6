"""Why the database cannot be reached, for whoever runs a command: asked with nothing loaded yet.

`manage.py` imports it before Django has its models.
"""

from __future__ import annotations

import psycopg
from django.db import connection

TIMEOUT_S = 5


def database_fault() -> str:
    """Return why the database cannot be reached; goes past the pool, which would try for long."""
    params = {**connection.get_connection_params(), "connect_timeout": TIMEOUT_S}
    try:
        psycopg.connect(**params).close()
    except psycopg.OperationalError as exc:
        return (
            f"DATABASE_URL names a database that cannot be reached ({first_line(exc)}): "
            "see that PostgreSQL runs there, and takes this user."
        )
    return ""


def first_line(exc: Exception) -> str:
    """Return the part of what a driver says that fits into a sentence."""
    return str(exc).strip().partition("\n")[0].rstrip(".")
