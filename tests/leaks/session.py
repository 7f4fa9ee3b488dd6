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
def recording() -> Iterator[Path]:
    """Have this process and what it starts write down their secrets; yields the folder."""
    with tempfile.TemporaryDirectory(prefix="daiko-secrets-") as name:
        folder = Path(name)
        os.environ[FOLDER] = name
        os.environ["PYTHONPATH"] = str(Path(sitecustomize.__file__).parent)
        sitecustomize.record_in(folder)
        yield folder


def log_everything(folder: Path) -> None:
    """Write every record of this process to a file, as the site would."""
    handler = logging.FileHandler(log_in(folder), encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(EventFormatter())
    handler.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)


def log_in(folder: Path) -> Path:
    """Return the file that has all records of the tests' own process."""
    return folder / "tests.log"


def recorded() -> list[Recorded]:
    """Return every secret that was written down so far, each once for each program."""
    found = set()
    for path in sorted(Path(os.environ[FOLDER]).glob("*.secrets")):
        # A process that was killed may have been in the middle of its last line.
        for line in path.read_bytes().split(b"\n")[:-1]:
            value, kind, program = json.loads(line)
            found.add(Recorded(base64.b64decode(value), kind, program))
    return sorted(found, key=lambda one: (one.program, one.kind))
