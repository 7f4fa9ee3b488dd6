"""How PostgreSQL runs when we are root, which it refuses to be.

It runs as nobody, with the one capability that lets it through closed folders, so that nothing
above `var/` has to be opened to anybody. See docs/decisions/0001-embedded-engines.md.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# initdb wants a user that exists. Other processes of nobody neither reach the data, which is
# below our closed `var/`, nor may they trace a process that has a capability they have not.
OTHER_USER = "nobody"


class CannotRunAsRoot(Exception):
    """Root may neither change its user id nor make a user namespace here."""


@dataclass(frozen=True)
class RunAs:
    """A prefix for commands, and the user id that their files need to have."""

    prefix: Sequence[str]
    uid: int
    gid: int


def unprivileged(*, must_execute: Path, must_own: Path) -> RunAs:
    """Return how to run a command as somebody who is not root, with access to both paths.

    Side effects: gives `must_own`, a folder, to the user id that comes back.

    Raises:
        CannotRunAsRoot: this machine permits none of the ways.
    """
    if os.geteuid() != 0:
        return RunAs(prefix=(), uid=os.geteuid(), gid=os.getegid())
    for way in _ways():
        with suppress(OSError):  # setpriv or unshare is not installed, or chown is refused
            _give(must_own, way)
            if _works(way, must_execute=must_execute, must_own=must_own):
                return way
    raise CannotRunAsRoot(
        "PostgreSQL does not run as root, and this machine lets root neither change its user id "
        "(setpriv) nor make a user namespace (unshare). Run this as an ordinary user, or set "
        "DATABASE_URL and REDIS_URL."
    )


def _ways() -> Iterator[RunAs]:
    """Yield first what works in a container as well, then what works where that is refused.

    The first is another user id with CAP_DAC_OVERRIDE, kept across exec as an ambient capability;
    without no_setuid_fixup, access(2) would answer as if the capability were not there. The
    second is a user namespace, in which root is known by another number and files stay root's.
    """
    try:
        other = pwd.getpwnam(OTHER_USER)
    except KeyError:
        return
    uid, gid = other.pw_uid, other.pw_gid
    yield RunAs(
        prefix=(
            *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
            *("--securebits=+no_setuid_fixup", "--no-new-privs"),
            "--bounding-set=-all,+dac_override",
            *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--"),
        ),
        uid=uid,
        gid=gid,
    )
    yield RunAs(
        prefix=("unshare", "--user", f"--map-user={uid}", f"--map-group={gid}", "--"),
        uid=0,
        gid=0,
    )


def _give(folder: Path, way: RunAs) -> None:
    """Make `way` the owner of `folder` and all that is in it, unless it is."""
    if folder.stat().st_uid == way.uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), way.uid, way.gid, follow_symlinks=False)
    os.chown(folder, way.uid, way.gid)


def _works(way: RunAs, *, must_execute: Path, must_own: Path) -> bool:
    probe = (
        "import os, sys; program, folder = sys.argv[1:];"
        "sys.exit(not (os.geteuid() != 0 and os.access(program, os.R_OK | os.X_OK)"
        " and os.access(folder, os.R_OK | os.W_OK | os.X_OK)"
        " and os.stat(folder).st_uid == os.geteuid()))"
    )
    command = [*way.prefix, sys.executable, "-I", "-S", "-c", probe]
    command += [str(must_execute), str(must_own)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
