"""The running demo, as the browser tests use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.children import ended_with_this

CHECKOUT = Path(__file__).resolve().parents[2]
START_S = 120
LEDGER_KEY = "the-ledger-of-the-browser-tests-" + "0" * 8


class World:
    """One demo: its supervisor's process, what it printed, and what it says of itself."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home = home
        self.printed: list[str] = []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            ended_with_this(sys.executable, "-m", "demo", "--home", str(home)),
            cwd=CHECKOUT,
            env=os.environ | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(START_S):
            self.stop()
            raise AssertionError("the demo did not start:\n" + "\n".join(self.printed))
        self.facts: dict[str, Any] = json.loads((home / "demo.json").read_text())

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self.printed.append(line.rstrip())
                if line.strip() == "ready":
                    self._ready.set()

    def stop(self) -> None:
        """End the demo and everything it started."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)

    @property
    def url(self) -> str:
        """Return where the site is."""
        return str(self.facts["url"])

    def password(self, username: str) -> str:
        """Return the password of `username` at the identity provider."""
        return next(
            str(user["password"]) for user in self.facts["users"] if user["username"] == username
        )

    def acme_account(self, username: str) -> tuple[str, str]:
        """Return (e-mail address, password) of the person's own account at Acme Calendar."""
        for account in self.facts["providers"][0]["accounts"]:
            if account["email"].startswith(username):
                return account["email"], account["password"]
        raise LookupError(username)

    def agent(self, name: str) -> dict[str, Any]:
        """Return what `demo.json` says of an agent."""
        return next(agent for agent in self.facts["agents"] if agent["name"] == name)

    def refreshes_at_acme(self) -> int:
        """Return how many refresh tokens Acme Calendar was asked to take so far."""
        request = urllib.request.Request(  # noqa: S310  (loopback)
            self.facts["providers"][0]["url"] + "/demo/ledger",
            headers={"Authorization": f"Bearer {LEDGER_KEY}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            rows = json.load(answer)["rows"]
        return sum(row["grant_type"] == "refresh_token" for row in rows)

    def pid_of(self, part: str) -> int:
        """Return the process id of a part's newest child."""
        return int((self.home / "run" / f"{part}.pid").read_text())

    def kill(self, part: str) -> None:
        """End a part as a crash would, and wait until the supervisor has it running again."""
        before = self.pid_of(part)
        os.kill(before, signal.SIGKILL)
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at:
            try:
                if self.pid_of(part) != before:
                    return
            except (FileNotFoundError, ValueError):
                pass
            threading.Event().wait(0.1)
        raise AssertionError(f"{part} did not come back:\n" + "\n".join(self.printed[-20:]))

    def wait_until_answering(self) -> None:
        """Wait until the site says that everything it stands on is there."""
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
                    if answer.status == 200:
                        return
            except OSError:
                pass
            threading.Event().wait(0.2)
        raise AssertionError("the site did not come back")


@contextmanager
def running(home: Path, env: dict[str, str]) -> Iterator[World]:
    """Run a demo with its data in `home`; the embedded engines are its own."""
    own = {
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "CELERY_BROKER_URL": "",
        "ACME_LEDGER_KEY": LEDGER_KEY,
    }
    world = World(home, own | env)
    try:
        yield world
    finally:
        world.stop()
