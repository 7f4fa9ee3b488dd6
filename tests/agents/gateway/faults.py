"""What tests of faults need: a far agent, a client that leaves, and what a process holds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

from agents.models import Agent
from bench.memory import resident_mib
from core.models import AuditEvent
from tests.agents.plane import Plane, invocation_path
from tests.children import below, ended_with_this
from tests.engines import CHECKOUT

STARTING_S = 30
PATIENCE_S = 30.0
# Of /proc/net/tcp.
_LISTENING = "0A"
# The pool's workers, its scheduler, the server itself and what waits for its end.
_STANDING = ("AsyncConnectionPool.", "AsyncScheduler.", "MPServer.", "Event.wait")


def will(be_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> bool:
    """Say whether something becomes true, and wait until then."""
    pause, until = threading.Event(), time.monotonic() + within_s
    while not be_true():
        if time.monotonic() > until:
            return False
        pause.wait(0.02)
    return True


class FarAgent:
    """The agent in its own process, and what it has reported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.arrived: dict[str, float] = {}
        self.closed: dict[str, float] = {}
        self.closed_twice: list[str] = []
        self.offered: dict[str, int] = defaultdict(int)
        self.longest_stall_s = 0.0
        assert process.stdout is not None
        _, http, sockets = process.stdout.readline().split()
        self.port, self.socket_port = int(http), int(sockets)
        self.url, self.socket_url = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{sockets}"
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            what, number, at, size = line.split()
            if what == "arrived":
                self.arrived[number] = float(at)
            elif what == "offered":
                self.offered[number] = int(size)
            elif what == "stalled":
                self.longest_stall_s = max(self.longest_stall_s, int(number) / 1000)
            else:
                self.closed_twice += [number] if number in self.closed else []
                self.closed[number] = float(at)

    @property
    def open(self) -> set[str]:
        """Return the calls that arrived and whose connection is not closed."""
        return set(self.arrived) - set(self.closed)

    def kill(self) -> None:
        """Let it die as a process does that the system kills."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it, and see that it is gone."""
        self.kill()
        self._reading.join()


@contextmanager
def far_agent() -> Iterator[FarAgent]:
    """Run an agent in its own process, for as long as the block runs."""
    program = Path(__file__).with_name("far_agent.py")
    with subprocess.Popen(
        ended_with_this(sys.executable, str(program)),
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        agent = FarAgent(process)
        try:
            yield agent
        finally:
            agent.stop()


class Held:
    """What the gateway's process holds that a call could leave behind."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        pids = {plane.process.pid, *below(plane.process.pid)}
        self.pid = max(pids, key=resident_mib)  # the one that works; the first only watches

    def files(self) -> list[str]:
        """Return what its file descriptors lead to."""
        found = []
        for each in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(each.readlink()))
        return found

    def sockets(self, *ports: int) -> int:
        """Return how many connections it has to or from these ports (proc_pid_net(5))."""
        own = set(self.files())
        lines = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        found = 0
        for line in lines:
            _, local, remote, state, *_rest = line.split()
            ends = {int(end.rpartition(":")[2], 16) for end in (local, remote)}
            is_own = f"socket:[{line.split()[9]}]" in own
            found += is_own and state != _LISTENING and not ends.isdisjoint(ports)
        return found

    def tasks(self) -> list[str]:
        """Return the tasks of its event loop that do not stand for as long as it runs."""
        told = self._plane.ask("/tests/tasks", method="GET", body=b"").body.decode().splitlines()
        return [name for name in told if not name.startswith(_STANDING)]

    def mib(self) -> float:
        """Return its resident memory."""
        return resident_mib(self.pid)

    @staticmethod
    def busy_in_database() -> int:
        """Return how many connections are in the middle of something, this test's left out."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            return int(cursor.fetchone()[0])


def head_of(plane: Plane, agent: Agent, token: str, what: str, *, length: int | None = 2) -> bytes:
    """Return the head of a call in which the far agent does `what`."""
    sent = {"authorization": f"Bearer {token}", "x-tenant": what}
    return plane.head(invocation_path(agent), sent, length=length)


class Client:
    """A client of many calls, one connection each, some at a time."""

    def __init__(self, plane: Plane, agent: Agent, far: FarAgent, token: str) -> None:
        self._plane, self._agent, self._far, self._token = plane, agent, far, token
        self.left: dict[str, float] = {}

    async def leave(self, kind: str, number: str) -> None:
        """Begin a call, wait until it is as far as `kind` says, and hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._plane.port)
        does = {"sending": "silent", "early": "chunk", "at_once": "silent"}.get(kind, kind)
        half = kind in {"sending", "early"}
        head = head_of(
            self._plane, self._agent, self._token, f"{does}-{number}", length=1000 if half else 2
        )
        writer.write(head + (b"h" * 500 if half else b"{}"))
        await writer.drain()
        if kind != "at_once":
            await self._arrival(number)
        if does == "chunk":
            await reader.readuntil(b"data: first\n\n")
        self.left[number] = time.monotonic()
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _arrival(self, number: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while number not in self._far.arrived:
                await asyncio.sleep(0.005)

    async def leave_all(self, kinds: list[str], numbers: range, *, at_a_time: int) -> None:
        """Begin and leave that many calls, of every kind in turn."""
        free = asyncio.Semaphore(at_a_time)

        async def one(number: int) -> None:
            async with free:
                await self.leave(kinds[number % len(kinds)], str(number))

        await asyncio.gather(*[one(number) for number in numbers])


def ends_of(agent: Agent) -> dict[tuple[str, str], int]:
    """Return how many of the agent's calls ended with which outcome and reason."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for event in AuditEvent.objects.filter(agent=agent.agent_id, action="agent.invocation.ended"):
        found[event.outcome, event.reason] += 1
    return dict(found)


def begun_of(agent: Agent) -> int:
    """Return how many of the agent's calls were let through."""
    return AuditEvent.objects.filter(
        agent=agent.agent_id, action="agent.invocation", outcome="allowed"
    ).count()
