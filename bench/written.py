"""A run's page and its plot, as files."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench import plot
from bench.children import CHECKOUT
from bench.report import Found

_TITLES = {
    "gateway": "What the gateway costs",
    "peers": "This gateway beside those of others",
}


def written(folder: str, name: str, found: Found, *, about: str, command: str) -> None:
    """Write what was found, with machine, date, commit and command, and a plot beside it."""
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    (into / f"{name}.svg").write_text(plot.of(found), encoding="utf-8")
    page = "\n\n".join(
        [
            f"# {_TITLES.get(name, 'What was measured')}",
            "Written by `make bench`; what is measured, and how, is in"
            " [performance](../performance.md#the-gateway).",
            f"![Requests a second, and what is added to the first token]({name}.svg)",
            found.text(),
            f"{datetime.now(UTC):%d %B %Y}, commit {_commit()}: {about}.",
            f"    {command}",
        ]
    )
    (into / f"{name}.md").write_text(page + "\n", encoding="utf-8")


def _commit() -> str:
    """Return the commit that was measured, and whether something was changed since."""
    asked = ["git", "describe", "--always", "--dirty=, changed since"]
    try:
        said = subprocess.run(
            asked, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.stdout.strip()
