"""What a run of the tests notes down of itself: its secrets, and all that it logs."""

from __future__ import annotations

import base64
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.logs import EventFormatter
from tests.leaks.recorder import sitecustomize
from tests.leaks.recorder.sitecustomize import FOLDER

# What the site itself writes, down to the last detail.
_OURS = ("core", "agents", "vault", "portal", "django.request", "django.security", "celery")


@dataclass(frozen=True)
class Recorded:
    """A secret that a process used: what it is, and which program that was."""

    value: bytes
    kind: str
    program: str


@contextmanager
def recording() -> Iterator[None]:
    """Have this process and what it starts write down their secrets, for as long as this runs."""
    with tempfile.TemporaryDirectory(prefix="daiko-secrets-") as name:
        os.environ[FOLDER] = name
        os.environ["PYTHONPATH"] = str(Path(sitecustomize.__file__).parent)
        sitecustomize.record_in(Path(name))
        yield


def log_everything() -> None:
    """Write every record of this process to a file, as the site would.

    Called before each test: whatever sets Django up again takes the handlers of others away.
    """
    if (handler := _handler()) in logging.getLogger().handlers:
        return
    logging.getLogger().addHandler(handler)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)


def log_file() -> Path:
    """Return the file that has all records of the tests' own process."""
    return Path(os.environ[FOLDER]) / "tests.log"


@lru_cache(maxsize=1)
def _handler() -> logging.Handler:
    handler = logging.FileHandler(log_file(), encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(EventFormatter())
    return handler


def recorded() -> list[Recorded]:
    """Return every secret that was written down so far, each once for each program."""
    found = set()
    for path in sorted(Path(os.environ[FOLDER]).glob("*.secrets")):
        # A process that was killed may have been in the middle of its last line.
        for line in path.read_bytes().split(b"\n")[:-1]:
            value, kind, program = json.loads(line)
            found.add(Recorded(base64.b64decode(value), kind, program))
    return sorted(found, key=lambda one: (one.program, one.kind))
