import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines import CHECKOUT

GONE_TIMEOUT_S = 20

# What a supervisor is: it holds an instance, runs engines in it, and says so.
SUPERVISOR = """
import json, sys
from pathlib import Path
from embedded.engines import running
from embedded.instance import held
with held(Path(sys.argv[1])) as instance, running(instance, durable=True) as engines:
    engines.postgres.database_ensure("daiko")
    print(json.dumps({
        "postgres": engines.postgres.url("daiko"),
        "redis": engines.redis.url,
        "pids": [child.pid for child in engines.children],
    }), flush=True)
    sys.stdin.read()
"""


@dataclass
class Supervisor:
    """A process that runs engines, and what it said about them."""

    process: subprocess.Popen[str]
    postgres: str
    redis: str
    pids: list[int]

    def kill(self) -> None:
        """Kill it as nothing can handle, and return when its engines are gone too."""
        watched = [os.pidfd_open(pid) for pid in self.pids]
        self.process.kill()
        self.process.wait()
        for pidfd in watched:
            ended, _, _ = select.select([pidfd], [], [], GONE_TIMEOUT_S)
            os.close(pidfd)
            assert ended, "an engine outlived its supervisor"

    def stop(self) -> None:
        self.process.communicate()  # closes its stdin


SupervisorStart = Callable[..., Supervisor]


@pytest.fixture
def supervisor_start() -> Iterator[SupervisorStart]:
    with ExitStack() as stack:

        def start(home: Path, *, prefix: tuple[str, ...] = ()) -> Supervisor:
            process = stack.enter_context(
                subprocess.Popen(
                    [*prefix, sys.executable, "-B", "-c", SUPERVISOR, str(home)],
                    cwd=CHECKOUT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.send_signal, signal.SIGKILL)
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            return Supervisor(process, **said)

        yield start
