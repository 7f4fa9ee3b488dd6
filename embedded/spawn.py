"""Run a command that is killed by the kernel when its parent dies.

Executed as a file (`python -I -S spawn.py PARENT SIGNAL COMMAND...`), never imported: the wish to
die with the parent has to be made by the child itself, after any change of user id, because
such a change clears it (prctl(2), PR_SET_PDEATHSIG). `Popen(preexec_fn=...)` could make it
too, but runs Python between fork and exec, which may deadlock when the parent has threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, signum, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent was gone before its child was ready to notice")
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as exc:
        sys.exit(f"{command[0]}: {exc.strerror}")


if __name__ == "__main__":
    main()
