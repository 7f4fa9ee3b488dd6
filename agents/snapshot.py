"""What the data plane knows of agents and people: frozen copies, half a second old at most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from agents.authorizer import Authorizer, custom_claims_from
from agents.models import Agent, AgentVersion, WorkloadIdentity
from core import database
from core.recent import Recent, by_orm
from core.subject import Subject
from core.together import Together


@dataclass(frozen=True, slots=True)
class Deployed:
    """One version of one agent, as an endpoint serves it."""

    agent_id: str
    display_name: str
    enabled: bool
    endpoint: str
    version: int
    url: str  # or the ARN of a runtime on AWS
    base_url: str  # below which its paths are, without a slash at the end
    called_with: str
    auth_mode: str
    authorizer: Authorizer
    advertised_scopes: Mapping[str, str]
    resource_identifier: str
    protocol: str
    path: str  # none: the protocol's own
    header_allowlist: frozenset[str]  # lower case
    session_idle_s: int
    session_lifetime_s: int
    allowed_workloads: frozenset[str]  # names
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
        base_url=version.base_url,
        called_with=version.called_with,
        auth_mode=version.auth_mode,
        authorizer=authorizer_of(version),
        advertised_scopes=version.advertised_scopes,
        resource_identifier=version.resource_identifier,
        protocol=version.protocol,
        path=version.path,
        header_allowlist=frozenset(name.lower() for name in version.header_allowlist),
        session_idle_s=version.session_idle_s,
        session_lifetime_s=version.session_lifetime_s,
        allowed_workloads=frozenset(version.allowed_workloads),
        workload_id=agent.workload_identity.pk,
        workload_name=agent.workload_identity.name,
        workload_enabled=agent.workload_identity.enabled,
        everyone=agent.allow_everyone,
        groups=frozenset(agent.allowed_groups.values_list("name", flat=True)),
        people=frozenset(
            Subject(iss, sub) for iss, sub in agent.allowed_users.values_list("iss", "sub")
        ),
    )


def authorizer_of(version: AgentVersion) -> Authorizer:
    """Return the rule that `version` sets for its callers' tokens."""
    return Authorizer(
        discovery_url=version.discovery_url,
        allowed_audience=frozenset(version.allowed_audience),
        allowed_clients=frozenset(version.allowed_clients),
        allowed_scopes=frozenset(version.allowed_scopes),
        custom_claims=custom_claims_from(version.custom_claims),
        client_claims=tuple(version.client_claims),
    )


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload identity, and the agent that it belongs to, if any."""

    id: int
    name: str
    enabled: bool
    agent_id: str
    agent_enabled: bool


def _load_workload(name: str) -> Workload | None:
    identity = WorkloadIdentity.objects.select_related("agent").filter(name=name).first()
    if identity is None:
        return None
    agent: Agent | None = getattr(identity, "agent", None)
    return Workload(
        id=identity.pk,
        name=identity.name,
        enabled=identity.enabled,
        agent_id=agent.agent_id if agent else "",
        agent_enabled=agent.enabled if agent else True,
    )


_PEOPLE = """
    SELECT asked.number, person.is_active, coalesce(
        nullif(person.name, ''), nullif(person.email, ''), person.sub
    ), coalesce(array_agg(named.name) FILTER (WHERE named.name IS NOT NULL), '{}')
    FROM jsonb_to_recordset(%s::jsonb) AS asked (number int, iss text, sub text)
    JOIN core_user AS person ON person.iss = asked.iss AND person.sub = asked.sub
    LEFT JOIN core_user_groups AS membership ON membership.user_id = person.id
    LEFT JOIN auth_group AS named ON named.id = membership.group_id
    GROUP BY asked.number, person.id
"""


async def _load_people(subjects: Sequence[Subject]) -> list[Person | None]:
    """Return what the site knows of each; the data plane sees many people at once."""
    asked = [{"number": n, "iss": who.iss, "sub": who.sub} for n, who in enumerate(subjects)]
    found: list[Person | None] = [None] * len(subjects)
    pool = await database.pool()
    async with pool.connection() as mine:
        cursor = await mine.execute(_PEOPLE, [json.dumps(asked)], prepare=True)
        for number, active, name, groups in await cursor.fetchall():
            found[number] = Person(active, frozenset(groups), name)
    return found


_asking: Together[Subject, Person | None] = Together(_load_people, apart=psycopg.DataError)
_deployed: Recent[tuple[str, str], Deployed | None] = by_orm(_load_deployed)
_workloads: Recent[str, Workload | None] = by_orm(_load_workload)
_people: Recent[Subject, Person | None] = Recent(_asking.get)


async def deployed(agent_id: str, endpoint: str) -> Deployed | None:
    """Return what `endpoint` of the agent serves, or None where there is no such thing."""
    return await _deployed.get((agent_id, endpoint))


async def person(subject: Subject) -> Person | None:
    """Return what the site knows of `subject`; None: they have never signed in here."""
    return await _people.get(subject)


async def workload(name: str) -> Workload | None:
    """Return the workload identity `name`, or None."""
    return await _workloads.get(name)


def forget() -> None:
    """Drop every copy, as after the database was replaced."""
    _deployed.forget()
    _workloads.forget()
    _people.forget()
