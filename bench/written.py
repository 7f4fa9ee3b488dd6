"""A run's page and its plot, as files."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench import plot
from bench.children import CHECKOUT
from bench.report import Found

# What a page is called, and where it is said how it is measured.
_PAGES = {
    "gateway": ("What the gateway costs", "#the-gateway"),
    "peers": ("This gateway beside those of others", "#gateways-of-others"),
    "screen": ("How soon words are on the screen", "#the-screen"),
}


def written(folder: str, name: str, found: Found, *, about: str, command: str) -> None:
    """Write what was found, with machine, date, commit and command, and a plot of its rates."""
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    title, how = _PAGES.get(name, ("What was measured", ""))
    paragraphs = [
        f"# {title}",
        "Written by `make bench`; what is measured, and how, is in"
        f" [performance](../performance.md{how}).",
    ]
    if found.rows:
        (into / f"{name}.svg").write_text(plot.of(found), encoding="utf-8")
        paragraphs.append(f"![Requests a second, and what is added to the first token]({name}.svg)")
    paragraphs += [
        found.text(),
        f"{datetime.now(UTC):%d %B %Y}, commit {_commit()}: {about}.",
        f"    {command}",
    ]
    page = "\n\n".join(paragraphs)
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
