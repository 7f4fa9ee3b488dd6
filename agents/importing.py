"""The runtimes of an AWS account held against the registry: what is new, changed or gone there.

Registering is all that changes something, and only here. Nobody may use an agent that was
registered so, until an admin says who.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from agents import configuration, services
from agents.aws import places, runtimes
from agents.aws.errors import AwsRefused
from agents.aws.places import Place
from agents.aws.runtimes import Runtime
from agents.configuration import Configuration
from agents.models import Agent, AgentVersion
from agents.models.registry import SESSION_IDLE_S, SESSION_LIFETIME_S
from agents.probe import Finding
from core.audit import Actor

_READY = "READY"
# What an authorizer of the wire API says, and the field of a version that says it here.
_AUTHORIZER = {
    "discoveryUrl": "discovery_url",
    "allowedAudience": "allowed_audience",
    "allowedClients": "allowed_clients",
    "allowedScopes": "allowed_scopes",
    "customClaims": "custom_claims",
    "advertisedScopeMapping": "advertised_scopes",
}
# Only those callers are let in there who come through something that this site cannot be.
_UNKNOWN_HERE = ("privateEndpoint", "privateEndpointOverrides", "allowedWorkloadConfiguration")
_NO_RULE: Mapping[str, Any] = {
    "discovery_url": "",
    "allowed_audience": (),
    "allowed_clients": (),
    "allowed_scopes": (),
    "custom_claims": (),
    "advertised_scopes": {},
    "client_claims": (),
    "resource_identifier": "",
}


class Standing(StrEnum):
    """How a runtime there and an agent here stand to each other."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a version that AWS says otherwise."""

    field: str
    here: Any
    there: Any

    def __str__(self) -> str:
        return _("%(field)s: here %(here)s, at AWS %(there)s") % {
            "field": self.field,
            "here": _shown(self.here),
            "there": _shown(self.there),
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """A runtime at AWS, an agent here, or both, and what is between them."""

    place: Place
    name: str
    standing: Standing
    runtime: Runtime | None = None
    agent: Agent | None = None
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Registered:
    agent: Agent
    place: Place
    said: Configuration


def compare(*, region: str) -> list[Compared]:
    """Return the runtimes of this site's account in a region beside the agents that run there.

    Agents of another account of AWS are left out: these credentials say nothing of them.

    Raises:
        AwsRefused: AWS cannot be asked.
    """
    there = runtimes.runtimes_in(region)
    accounts = {runtime.place.account for runtime in there}
    here = [
        known
        for known in _registered()
        if known.place.region == region and (not accounts or known.place.account in accounts)
    ]
    return list(_compared(there, here))


def compare_agent(agent: Agent) -> Compared | None:
    """Return an agent beside what AWS says of it now; None: it does not run on AWS.

    Raises:
        AwsRefused: AWS cannot be asked.
    """
    for known in _registered(agent):
        runtime = runtimes.runtime_at(known.place)
        return _gone(known) if runtime is None else _beside(runtime, known)
    return None


def runtime_register(
    runtime: Runtime, *, name: str = "", qualifier: str = places.DEFAULT_QUALIFIER, actor: Actor
) -> Agent:
    """Return a new agent for a runtime at AWS, with its authorizer; nobody may use it yet.

    Raises:
        AwsRefused: it has no such endpoint.
        ConfigurationRefused: the authorizer, or something else, is not one that this site takes.
        NameTaken: another agent has the name.
    """
    name = name or runtime.name
    words = name.replace("_", " ").strip()
    return services.agent_register(
        name=name,
        display_name=words[:1].upper() + words[1:],
        description=runtime.description,
        asked=wanted(_served(runtime, qualifier)),
        actor=actor,
    )


def agent_follow(agent: Agent, runtime: Runtime, *, actor: Actor) -> AgentVersion:
    """Return the agent's new version, which says what AWS says of the runtime.

    Raises:
        ConfigurationRefused: this site does not take it; also where people's tokens would not be
            asked for any more.
    """
    (known,) = _registered(agent)
    return services.agent_configure(agent=agent, asked=wanted(runtime, known.said), actor=actor)


def wanted(runtime: Runtime, before: Configuration | None = None) -> Configuration:
    """Return what a version has to say of a runtime, in place of `before` if there is one.

    Where callers sign at AWS, who may call the agent here is this site's own to say, and stays.
    """
    told: dict[str, Any] = {
        "url": runtime.place.arn,
        "protocol": runtime.protocol,
        "header_allowlist": runtime.header_allowlist,
        "session_idle_s": runtime.idle_s or SESSION_IDLE_S,
        "session_lifetime_s": runtime.lifetime_s or SESSION_LIFETIME_S,
    }
    if runtime.jwt_authorizer is not None:
        told |= {"auth_mode": AgentVersion.AuthMode.JWT, "called_with": places.BEARER}
        told |= _rule_of(runtime.jwt_authorizer)
    elif before is None or before.called_with != places.SIGV4:
        told |= {"auth_mode": AgentVersion.AuthMode.SIGV4, "called_with": places.SIGV4, **_NO_RULE}
    return replace(before or Configuration(url=""), **told)


def refusals(runtime: Runtime) -> tuple[str, ...]:
    """Return why a runtime cannot be registered; nothing: it can."""
    try:
        configuration.check(wanted(runtime))
    except configuration.ConfigurationRefused as refused:
        return tuple(f"{error.name}: {error.message}" for error in refused.fields)
    return ()


def findings(agent: Agent) -> list[Finding]:
    """Return what AWS says now of an agent that runs there; nothing for any other."""
    try:
        compared = compare_agent(agent)
    except AwsRefused as refused:
        return [Finding(False, refused.message)]
    if compared is None:
        return []
    notes = [Finding(False, note) for note in compared.notes]
    if compared.standing == Standing.GONE:
        return notes
    if not compared.changes:
        return [*notes, Finding(True, _("AWS says of the runtime what is registered here."))]
    told = [
        Finding(False, _("AWS says otherwise. %(what)s.") % {"what": c}) for c in compared.changes
    ]
    return [*notes, *told]


def _served(runtime: Runtime, qualifier: str) -> Runtime:
    """Return what one endpoint of a runtime serves. Raises AwsRefused."""
    if qualifier == places.DEFAULT_QUALIFIER:
        return runtime
    served = runtimes.runtime_at(replace(runtime.place, qualifier=qualifier))
    if served is None:
        message = _("AWS has no endpoint “%(name)s” of this runtime.") % {"name": qualifier[:80]}
        raise AwsRefused(message, because="no endpoint")
    return served


def _registered(agent: Agent | None = None) -> Iterator[_Registered]:
    """Yield the agents that run on AWS by their newest version: all of them, or this one."""
    agents = Agent.objects.filter(versions__url__startswith="arn:").distinct()
    if agent is not None:
        agents = agents.filter(pk=agent.pk)
    for each in agents.prefetch_related("versions").order_by("name"):
        newest = max(each.versions.all(), key=lambda version: version.number)
        place = places.place_at(newest.url)
        if place is not None:
            yield _Registered(each, place, Configuration.of(newest))


def _compared(there: Iterable[Runtime], here: list[_Registered]) -> Iterator[Compared]:
    seen: set[int] = set()
    for runtime in there:
        known = [each for each in here if each.place.runtime_arn == runtime.place.runtime_arn]
        if not known:
            yield Compared(
                runtime.place, runtime.name, Standing.NEW, runtime, notes=_notes(runtime)
            )
        for each in known:
            seen.add(each.agent.pk)
            # The one that is served under the endpoint that the agent is called by.
            served = runtime
            if each.place.qualifier != places.DEFAULT_QUALIFIER:
                found = runtimes.runtime_at(each.place)
                if found is None:
                    yield _gone(each)
                    continue
                served = found
            yield _beside(served, each)
    for each in here:
        if each.agent.pk not in seen:
            yield _gone(each)


def _beside(runtime: Runtime, known: _Registered) -> Compared:
    runtime = replace(runtime, place=known.place)
    before, after = known.said.columns(), wanted(runtime, known.said).columns()
    changes = tuple(
        Change(field, before[field], value)
        for field, value in after.items()
        if _in_order(before[field]) != _in_order(value)
    )
    standing = Standing.CHANGED if changes else Standing.SAME
    return Compared(
        known.place, known.agent.name, standing, runtime, known.agent, changes, _notes(runtime)
    )


def _gone(known: _Registered) -> Compared:
    note = _(
        "AWS has no such runtime or endpoint: it was deleted, or this site's AWS credentials are "
        "of another account."
    )
    return Compared(known.place, known.agent.name, Standing.GONE, agent=known.agent, notes=(note,))


def _notes(runtime: Runtime) -> tuple[str, ...]:
    notes = []
    if runtime.status != _READY:
        notes.append(_("At AWS its status is %(status)s.") % {"status": runtime.status})
    unknown = [name for name in _UNKNOWN_HERE if (runtime.jwt_authorizer or {}).get(name)]
    if unknown:
        notes.append(
            _("Its authorizer says more than is kept here: %(names)s. AWS goes on holding to it.")
            % {"names": ", ".join(unknown)}
        )
    return tuple(notes)


def _rule_of(authorizer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a version for an authorizer; what it does not say is empty."""
    told = dict(_NO_RULE)
    del told["client_claims"], told["resource_identifier"]  # this site's own
    for name, field in _AUTHORIZER.items():
        value = authorizer.get(name)
        if value:
            told[field] = tuple(value) if isinstance(value, list) else value
    return told


def _in_order(value: Any) -> Any:
    """Return a value by which two that mean the same are equal: the order of a list is nothing."""
    return sorted(map(_shown, value)) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
