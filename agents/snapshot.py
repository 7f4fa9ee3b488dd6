"""What the data plane knows of the registry: small frozen copies, half a second old at most.

A row that is switched off is refused everywhere within a second (design section 7), and the hot path
does not ask the database for it each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents.authorizer import Authorizer, custom_claims_from
from agents.models import Agent, AgentVersion
from core import database
from core.models import User
from core.subject import Subject

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_FRESH_S = 0.5
_MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Deployed:
    """One version of one agent, as an endpoint serves it."""

    agent_id: str
    display_name: str
    enabled: bool
    endpoint: str
    version: int
    url: str
    auth_mode: str
    authorizer: Authorizer
    header_allowlist: frozenset[str]  # lower case
    workload_id: int
    workload_name: str
    workload_enabled: bool
    everyone: bool
    groups: frozenset[str]
    people: frozenset[Subject]

    def is_for(self, subject: Subject, groups: frozenset[str]) -> bool:
        """Say whether `subject`, being in `groups`, may use the agent."""
        return self.everyone or subject in self.people or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class Person:
    """What the site knows of somebody who signed in."""

    active: bool
    groups: frozenset[str]
    name: str


class _Cache(Generic[K, V]):
    """Answers of `load`, each kept for `_FRESH_S`. Bounded: strangers choose the keys."""

    def __init__(self, load: Callable[[K], V]) -> None:
        self._load = load
        self._kept: dict[K, tuple[float, V]] = {}

    async def get(self, key: K) -> V:
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < _FRESH_S:
            return kept[1]
        began = time.monotonic()  # the answer is as old as the question
        value = await database.on_thread(self._load, key)
        if len(self._kept) >= _MAX_ENTRIES:
            self._kept.clear()
        self._kept[key] = (began, value)
        return value

    def clear(self) -> None:
        self._kept.clear()


def _load_deployed(key: tuple[str, str]) -> Deployed | None:
    agent_id, endpoint_name = key
    agent = Agent.objects.select_related("workload_identity").filter(agent_id=agent_id).first()
    if agent is None:
        return None
    endpoint = agent.endpoints.filter(name=endpoint_name).first()
    if endpoint is None:
        return None
    version: AgentVersion | None = endpoint.version or agent.versions.order_by("-number").first()
    if version is None:
        return None
    return Deployed(
        agent_id=agent.agent_id,
        display_name=agent.display_name,
        enabled=agent.enabled,
        endpoint=endpoint.name,
        version=version.number,
        url=version.url,
        auth_mode=version.auth_mode,
        authorizer=Authorizer(
            discovery_url=version.discovery_url,
            allowed_audience=frozenset(version.allowed_audience),
            allowed_clients=frozenset(version.allowed_clients),
            allowed_scopes=frozenset(version.allowed_scopes),
            custom_claims=custom_claims_from(version.custom_claims),
        ),
        header_allowlist=frozenset(name.lower() for name in version.header_allowlist),
        workload_id=agent.workload_identity.pk,
        workload_name=agent.workload_identity.name,
        workload_enabled=agent.workload_identity.enabled,
        everyone=agent.allow_everyone,
        groups=frozenset(agent.allowed_groups.values_list("name", flat=True)),
        people=frozenset(
            Subject(iss, sub) for iss, sub in agent.allowed_users.values_list("iss", "sub")
        ),
    )


def _load_person(subject: Subject) -> Person | None:
    user = User.objects.filter(iss=subject.iss, sub=subject.sub).first()
    if user is None:
        return None
    groups = frozenset(user.groups.values_list("name", flat=True))
    return Person(user.is_active, groups, user.display_name)


_deployed: _Cache[tuple[str, str], Deployed | None] = _Cache(_load_deployed)
_people: _Cache[Subject, Person | None] = _Cache(_load_person)


async def deployed(agent_id: str, endpoint: str) -> Deployed | None:
    """Return what `endpoint` of the agent serves, or None where there is no such thing."""
    return await _deployed.get((agent_id, endpoint))


async def person(subject: Subject) -> Person | None:
    """Return what the site knows of `subject`; None: they have never signed in here."""
    return await _people.get(subject)


def forget() -> None:
    """Drop every copy, as after the database was replaced."""
    _deployed.clear()
    _people.clear()
