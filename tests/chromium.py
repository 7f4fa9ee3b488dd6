"""A Chromium for browser tests: the machine's own, or one that we may install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_TIMEOUT_S = 600

# The browser speaks to the machine it runs on and to nobody else.
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class NoBrowser(Exception):
    """There is no Chromium and none could be installed. Says in one line what to do."""


def launch_arguments(*, log: Path) -> dict[str, object]:
    """Return the arguments with which Playwright starts a browser; installs one if needed.

    Raises:
        NoBrowser: there is none, and it could not be installed.
    """
    # Chromium's sandbox refuses root, and needs what containers often withhold.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else [*FLAGS]
    path = _find() or _install(log)
    _have_japanese(log)
    return {"args": flags} | ({"executable_path": path} if path else {})


def _find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _install(log: Path) -> str | None:
    """Install Chromium. Returns its path, or None where Playwright knows its own download."""
    if _apt_install("chromium", log) and (path := _find()):
        return path
    if _run([sys.executable, "-m", "playwright", "install", "chromium"], log, {}):
        return None
    raise NoBrowser(
        "browser tests need Chromium: `apt-get install chromium` as root, or "
        f"`.venv/bin/playwright install chromium` with a network (log: {log})"
    )


def _have_japanese(log: Path) -> None:
    """Install a Japanese font if there is none; without one, Japanese pages show boxes."""
    lists = shutil.which("fc-list")
    if lists is None or not subprocess.check_output([lists, ":lang=ja"]).strip():
        _apt_install("fonts-noto-cjk", log)


def _apt_install(package: str, log: Path) -> bool:
    """Install a package of Debian's; say whether it could be."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update"], log, quiet)
    return _run(["apt-get", "install", "--yes", "--no-install-recommends", package], log, quiet)


def _run(command: list[str], log: Path, env: dict[str, str]) -> bool:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            done = subprocess.run(
                command,
                check=False,
                stdout=out,
                stderr=out,
                env=os.environ | env,
                timeout=INSTALL_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0
