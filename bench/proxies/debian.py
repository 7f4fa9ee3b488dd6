"""nginx and HAProxy: the machine's own, or Debian's packages unpacked below `var/`.

Installed as packages, both would start as services on the machine of whoever measures. Unpacked,
they need no root and nothing runs but what the bench starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bench.children import CHECKOUT

_HOME = CHECKOUT / "var" / "bench-tools"
_TIMEOUT_S = 180
_PLACES = ("/usr/sbin", "/usr/local/sbin")


class Absent(Exception):
    """A program is not there and cannot be had. Says how it can."""


@dataclass(frozen=True)
class Program:
    """Where a program is, and the variables that it needs."""

    path: str
    env: dict[str, str] = field(default_factory=dict)


def program(name: str) -> Program:
    """Return a program that Debian has under its own name; unpacks it at the first use.

    Raises:
        Absent: it is not installed, and there is no apt-get that could fetch it.
    """
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES]))
    if found:
        return Program(found)
    root = _HOME / name
    if not (root / "usr" / "sbin" / name).exists():
        try:
            _unpack(name, root)
        except (OSError, subprocess.SubprocessError) as exc:
            raise Absent(
                f"{name} is not installed: `apt-get install {name}` as root ({type(exc).__name__})"
            ) from None
    libraries = [str(path) for path in (root / "usr" / "lib").glob("*-linux-gnu")]
    return Program(
        str(root / "usr" / "sbin" / name), {"LD_LIBRARY_PATH": os.pathsep.join(libraries)}
    )


def _unpack(name: str, root: Path) -> None:
    """Fetch a package and those that it needs and the machine lacks, and unpack them."""
    asked = _run("apt-get", "--simulate", "--no-install-recommends", "install", name)
    needed = [line.split()[1] for line in asked.splitlines() if line.startswith("Inst ")]
    fetched = root.with_suffix(".debs")
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    _run("apt-get", "download", *needed, cwd=fetched)
    unpacked = root.with_suffix(".part")
    shutil.rmtree(unpacked, ignore_errors=True)
    for package in sorted(fetched.glob("*.deb")):
        _run("dpkg-deb", "--extract", str(package), str(unpacked))
    (unpacked / "usr" / "sbin" / name).stat()
    unpacked.rename(root)  # only what is whole has the name
    shutil.rmtree(fetched)


def _run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(
        command, cwd=cwd, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    ).stdout
