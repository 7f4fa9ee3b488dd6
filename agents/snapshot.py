"""What the data plane knows of agents and people: frozen copies, half a second old at most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model

from agents.arns import endpoint_arn, runtime_arn
from agents.authorizer import Authorizer, custom_claims_from
from agents.models import Agent, AgentVersion
from core import database
from core.recent import Recent
from core.subject import Subject
from core.together import Together

Row = Mapping[str, Any]
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Deployed:
    """One version of one agent, as an endpoint serves it."""

    agent_id: str
    arns: tuple[str, ...]  # of the agent and of the endpoint, which policies may be about
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


# Of an endpoint that follows the newest version, it is that one which is served.
_DEPLOYED = """
    SELECT asked.number,
        row_to_json(agent), endpoint.name, row_to_json(version), row_to_json(identity),
        ARRAY(
            SELECT named.name FROM agents_agent_allowed_groups AS allowed
            JOIN auth_group AS named ON named.id = allowed.group_id
            WHERE allowed.agent_id = agent.id
        ),
        ARRAY(
            SELECT json_build_array(person.iss, person.sub)
            FROM agents_agent_allowed_users AS allowed
            JOIN core_user AS person ON person.id = allowed.user_id
            WHERE allowed.agent_id = agent.id
        )
    FROM jsonb_to_recordset(%s::jsonb) AS asked (number int, agent_id text, name text)
    JOIN agents_agent AS agent ON agent.agent_id = asked.agent_id
    JOIN agents_workloadidentity AS identity ON identity.id = agent.workload_identity_id
    JOIN agents_agentendpoint AS endpoint
        ON endpoint.agent_id = agent.id AND endpoint.name = asked.name
    JOIN LATERAL (
        SELECT * FROM agents_agentversion AS known
        WHERE known.agent_id = agent.id
            AND (endpoint.version_id IS NULL OR known.id = endpoint.version_id)
        ORDER BY known.number DESC
        LIMIT 1
    ) AS version ON true
"""


async def _load_deployed(keys: Sequence[tuple[str, str]]) -> list[Deployed | None]:
    asked = [{"agent_id": agent_id, "name": name} for agent_id, name in keys]
    return [_deployed_of(row) if row else None for row in await _rows(_DEPLOYED, asked)]


def _deployed_of(row: tuple[Any, ...]) -> Deployed:
    of_agent, endpoint, of_version, identity, groups, people = row
    agent, version = _made(Agent, of_agent), _made(AgentVersion, of_version)
    return Deployed(
        agent_id=agent.agent_id,
        arns=(runtime_arn(agent.agent_id), endpoint_arn(agent.agent_id, endpoint)),
        display_name=agent.display_name,
        enabled=agent.enabled,
        endpoint=endpoint,
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
        workload_id=identity["id"],
        workload_name=identity["name"],
        workload_enabled=identity["enabled"],
        everyone=agent.allow_everyone,
        groups=frozenset(groups),
        people=frozenset(Subject(iss, sub) for iss, sub in people),
    )


def _made(model: type[M], row: Row) -> M:
    """Return a row as its model. A column that only a later release knows is left out."""
    fields = model._meta.concrete_fields
    return model(**{field.attname: row[field.attname] for field in fields})


async def _rows(statement: str, asked: Sequence[dict[str, str]]) -> list[tuple[Any, ...] | None]:
    """Return what is found for each that is asked, which the statement numbers, or None."""
    found: list[tuple[Any, ...] | None] = [None] * len(asked)
    numbered = json.dumps([{**each, "number": number} for number, each in enumerate(asked)])
    pool = await database.pool()
    async with pool.connection() as mine:
        cursor = await mine.execute(statement, [numbered], prepare=True)
        for number, *row in await cursor.fetchall():
            found[number] = tuple(row)
    return found


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


_WORKLOADS = """
    SELECT asked.number, identity.id, identity.name, identity.enabled,
        coalesce(agent.agent_id, ''), coalesce(agent.enabled, true)
    FROM jsonb_to_recordset(%s::jsonb) AS asked (number int, name text)
    JOIN agents_workloadidentity AS identity ON identity.name = asked.name
    LEFT JOIN agents_agent AS agent ON agent.workload_identity_id = identity.id
"""


async def _load_workloads(names: Sequence[str]) -> list[Workload | None]:
    rows = await _rows(_WORKLOADS, [{"name": name} for name in names])
    return [Workload(*row) if row else None for row in rows]


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
    rows = await _rows(_PEOPLE, [{"iss": who.iss, "sub": who.sub} for who in subjects])
    return [Person(row[0], frozenset(row[2]), row[1]) if row else None for row in rows]


_deployed: Recent[tuple[str, str], Deployed | None]
_deployed = Recent(Together(_load_deployed, apart=database.OF_ONE).get)
_workloads: Recent[str, Workload | None]
_workloads = Recent(Together(_load_workloads, apart=database.OF_ONE).get)
_people: Recent[Subject, Person | None]
_people = Recent(Together(_load_people, apart=database.OF_ONE).get)


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
