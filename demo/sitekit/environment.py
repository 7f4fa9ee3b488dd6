"""Readers of what a demo site is told by its environment; each refuses what cannot be right."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

MIN_SECRET_LENGTH = 32
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1"})


def site_url(name: str, value: str) -> str:
    """Return `value` as the URL of a site: scheme, host and port, with nothing behind them.

    Raises:
        ImproperlyConfigured: it has a path, is not http(s), or is not on this machine. The demo
            sites are for one machine; neither is built to meet the internet.
    """
    parts = urlsplit(value.rstrip("/"))
    if parts.scheme not in {"http", "https"} or parts.hostname not in LOOPBACK_HOSTS:
        raise ImproperlyConfigured(f"{name} must be a URL such as http://localhost:8001.")
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ImproperlyConfigured(f"{name} must be scheme, host and port only.")
    return value.rstrip("/")


def port_of(url: str) -> int:
    """Return the port that `url` names, or its scheme's own."""
    parts = urlsplit(url)
    return parts.port or {"http": 80, "https": 443}[parts.scheme]


def generated_secret(name: str, value: str) -> str:
    """Return `value`, which must be long enough to have been generated rather than thought of.

    Raises:
        ImproperlyConfigured: it is shorter than `MIN_SECRET_LENGTH` characters.
    """
    if len(value) < MIN_SECRET_LENGTH:
        raise ImproperlyConfigured(f"{name} needs at least {MIN_SECRET_LENGTH} characters.")
    return value


def at_least(least: int, name: str, value: int) -> int:
    """Return `value`, which must not be below `least`.

    Raises:
        ImproperlyConfigured: it is.
    """
    if value < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}.")
    return value


def database(name: str, value: str) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL database that `value` names.

    libpq reads the URL itself, so that a server behind a Unix socket
    (`postgresql://postgres@/idp?host=/run/postgresql`) works like any other.

    Raises:
        ImproperlyConfigured: `value` does not name a PostgreSQL database.
    """
    if not value.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(f"{name} must be a postgresql:// URL.")
    options = {key: str(option) for key, option in conninfo_to_dict(value).items()}
    if "dbname" not in options:
        raise ImproperlyConfigured(f"{name} does not name a database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname"),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": options.pop("port", ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,  # the server may have been restarted meanwhile
    }


def passwords(name: str, path: str, *, people: Iterable[str]) -> dict[str, str]:
    """Return the password of each of `people` from the JSON object in the file at `path`.

    Raises:
        ImproperlyConfigured: somebody has no password there.
    """
    stored = json.loads(Path(path).read_text(encoding="utf-8"))
    without = [person for person in people if not stored.get(person)]
    if without:
        raise ImproperlyConfigured(f"{name} has no password for {', '.join(without)}.")
    return {person: str(stored[person]) for person in people}
