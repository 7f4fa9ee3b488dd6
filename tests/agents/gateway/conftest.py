"""The data plane as a process, an issuer, and an agent that does as it is told.

What a test stores is committed, since another process reads it, and stays until the tests of its
module are over; so each test has an agent of its own and asks for the events of that agent alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.models import Agent
from core import crypto
from core.models import AuditEvent, DataKey, User
from core.subject import Subject
from tests.agents.committed import empty_tables
from tests.agents.conftest import make_agent
from tests.agents.plane import Plane, Reply, invocation_path, running_plane
from tests.agents.small_agent import SmallAgent, small_agent
from tests.fixtures.issuer import Issuer

_numbers = itertools.count(1)


class _Planes:
    """The one process of this session, started again if somebody emptied the tables under it."""

    def __init__(self, folder: Any) -> None:
        self._folder = folder
        self._running: Any = None
        self.current: Plane | None = None
        self._keys: set[Any] = set()

    def get(self) -> Plane:
        there = set(DataKey.objects.values_list("pk", flat=True))
        if self.current is None or not self._keys <= there:
            self.stop()
            crypto.forget_opened_keys()
            crypto.seal("", bound_to=crypto.Binding("", "", "", ""))
            self._keys = set(DataKey.objects.values_list("pk", flat=True))
            log = self._folder.mktemp("plane") / "log"
            self._running = running_plane(log)
            self.current = self._running.__enter__()
        return self.current

    def stop(self) -> None:
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None


@pytest.fixture(scope="session")
def _planes(
    tmp_path_factory: Any, django_db_setup: None, django_db_blocker: Any
) -> Iterator[_Planes]:
    planes = _Planes(tmp_path_factory)
    yield planes
    planes.stop()


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_behind(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    with django_db_blocker.unblock():
        empty_tables()


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around the test, in place of pytest-django's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def plane(_planes: _Planes, db: None) -> Plane:
    return _planes.get()


@pytest.fixture
def site(plane: Plane, tmp_path: Path) -> Iterator[Plane]:
    """A data plane whose own URLs lead to itself, for clients that follow them."""
    with running_plane(tmp_path / "log", at_its_own_url=True) as running:
        yield running


@pytest.fixture
def upstream() -> Iterator[SmallAgent]:
    with small_agent() as running:
        yield running


@pytest.fixture
def people(plane: Plane, issuer: Issuer) -> dict[str, User]:
    """Alice, who is named, bob, who is in a group, and charlie, who is neither."""
    number = next(_numbers)
    staff = Group.objects.create(name=f"staff-{number}")
    found = {
        name: User.objects.create(
            username=f"{name}-{number}", iss=issuer.url, sub=name, name=name.title()
        )
        for name in ("alice", "bob", "charlie")
    }
    found["bob"].groups.add(staff)
    return found


@pytest.fixture
def agent(plane: Plane, issuer: Issuer, upstream: SmallAgent, people: dict[str, User]) -> Agent:
    """An agent for alice and for bob's group."""
    return make_agent(
        f"agent_{next(_numbers)}",
        issuer,
        url=upstream.url,
        people=[people["alice"]],
        groups=list(people["bob"].groups.all()),
        header_allowlist=("X-Tenant",),
    )


Invoke = Callable[..., Reply]


@pytest.fixture
def invoke(plane: Plane, agent: Agent, issuer: Issuer) -> Invoke:
    """Call the agent, as alice unless another token is given; no token: token=None."""

    def call(
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        path: str | None = None,
        **request: Any,
    ) -> Reply:
        sent = {"content-type": "application/json", **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token or issuer.token()}"
        return plane.ask(path or invocation_path(agent), headers=sent, **request)

    return call


def events(agent: Agent) -> list[tuple[str, str, str]]:
    """Return what is on record of the agent's calls: action, outcome and reason, oldest first."""
    found = AuditEvent.objects.filter(agent=agent.agent_id).exclude(action__startswith="admin.")
    return [(event.action, event.outcome, event.reason) for event in found.order_by("at", "pk")]


def refusal_of(agent: Agent) -> str:
    """Return the one event of a call that was refused."""
    assert len(events(agent)) == 1, events(agent)
    action, outcome, reason = events(agent)[0]
    assert (action, outcome) == ("agent.invocation", "refused")
    return reason


def subject_of(agent: Agent) -> Subject:
    """Return for whom the newest event is."""
    newest = AuditEvent.objects.filter(agent=agent.agent_id).latest("pk")
    return Subject(newest.subject_iss, newest.subject_sub)
