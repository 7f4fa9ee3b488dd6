"""One place where engines run: its folder, its lock, and its folder for sockets."""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LEFTOVERS_TIMEOUT_S = 20.0


class InstanceBusy(Exception):
    """Somebody else runs here, or something of an earlier run has not ended.

    `owner` is the process that runs here, where it is one that lives.
    """

    def __init__(self, message: str, *, owner: int | None = None) -> None:
        super().__init__(message)
        self.owner = owner


class RuntimeFolderUnsafe(Exception):
    """The folder for sockets cannot be made, or is there and not ours alone."""


@dataclass(frozen=True)
class Instance:
    """A folder that this process alone uses until the lock is let go.

    `lifeline` is the locked descriptor. Every child inherits it, so the lock is held until the
    last of them is gone: who gets the lock knows that no process of an earlier run is left, and
    that its pid files and sockets are stale whatever process now has the number in them.
    """

    home: Path
    runtime: Path
    lifeline: int

    def log(self, name: str) -> Path:
        """Return the path of the log of the part called `name`."""
        return self.home / "log" / f"{name}.log"


@contextmanager
def held(home: Path) -> Iterator[Instance]:
    """Hold the instance in `home`; makes the folder, and removes its sockets at the end.

    Raises:
        InstanceBusy: it is in use.
        RuntimeFolderUnsafe: the folder for sockets cannot be made, or somebody else did so first.
    """
    home = home.resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)  # keys, data and logs live below
        lifeline = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError:
        raise InstanceBusy(f"{home} belongs to another user, who started it before") from None
    try:
        _lock(lifeline, home / "lock", timeout_s=LEFTOVERS_TIMEOUT_S)
        runtime = runtime_folder(home)
        _make_private(runtime)
        try:
            yield Instance(home=home, runtime=runtime, lifeline=lifeline)
        finally:
            shutil.rmtree(runtime, ignore_errors=True)
    finally:
        os.close(lifeline)


def runtime_folder(home: Path) -> Path:
    """Return where the sockets of the instance in `home` are.

    The path of a socket is limited to 107 bytes (unix(7)), which a checkout somewhere deep
    exceeds; so it is short, outside the checkout, and named by a hash of it.
    """
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    return _runtime_base() / f"daiko-{os.geteuid()}-{digest}"


@contextmanager
def held_temporarily(homes: Path) -> Iterator[Instance]:
    """Hold a new instance below `homes`, so that any number run at once; removes it at the end.

    Side effects: removes what killed runs left behind there.
    """
    homes.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _alone(homes / "lock"):
            for left in homes.glob("run-*"):
                _remove_unless_held(left)
            home = Path(tempfile.mkdtemp(prefix="run-", dir=homes))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            instance = stack.enter_context(held(home))
        yield instance


def _runtime_base() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    with suppress(OSError):
        found = Path(given).stat()
        if given and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return Path(given)
    return Path("/tmp")  # noqa: S108 - the folder made in it is checked to be ours alone


def _make_private(folder: Path) -> None:
    """Make `folder`, or see that it is ours and closed: anybody may write to /tmp."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise RuntimeFolderUnsafe(
            f"{folder}, where the engines' sockets go, cannot be made ({exc.strerror}): let this "
            "user write there, or set XDG_RUNTIME_DIR to a folder of theirs alone"
        ) from None
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise RuntimeFolderUnsafe(f"{folder} is not a folder of this user alone; remove it")


def _lock(lifeline: int, path: Path, *, timeout_s: float) -> None:
    """Take the lock: at once refused by a live holder, patient with the remains of a dead one."""
    deadline = time.monotonic() + timeout_s
    while not _try_lock(lifeline):
        owner = os.pread(lifeline, 32, 0).decode().strip()
        if owner.isdigit() and int(owner) in _holders(path):
            raise InstanceBusy(
                f"{path.parent} is in use: process {owner} runs here", owner=int(owner)
            )
        if time.monotonic() > deadline:
            left = ", ".join(map(str, sorted(_holders(path)))) or "of another user"
            raise InstanceBusy(f"{path.parent} is in use by processes of an earlier run: {left}")
        time.sleep(0.1)
    os.ftruncate(lifeline, 0)
    os.pwrite(lifeline, str(os.getpid()).encode(), 0)


def _remove_unless_held(home: Path) -> None:
    with suppress(FileNotFoundError):
        lock = os.open(home / "lock", os.O_RDWR)
        try:
            if not _try_lock(lock):
                return
        finally:
            os.close(lock)
    shutil.rmtree(runtime_folder(home), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holders(path: Path) -> set[int]:
    """Return the other processes that have the file open, as far as we may see."""
    wanted = path.stat()
    found = set()
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            opened = entry.stat()
            if (opened.st_dev, opened.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.add(int(entry.parts[2]))
    return found - {os.getpid()}
