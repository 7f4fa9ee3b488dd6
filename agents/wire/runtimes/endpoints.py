"""Endpoints of agents in the wire API. Each is pinned to a version; DEFAULT follows the newest."""

from __future__ import annotations

from typing import Any

from agents import services
from agents.errors import EndpointUnknown
from agents.keys.callers import Caller
from agents.models import Agent, AgentEndpoint, AgentVersion
from agents.wire.calls import WireCall, operators
from agents.wire.fields import members_named
from agents.wire.runtimes.agents import DELETING, READY, agent_named, newest_of
from agents.wire.runtimes.once import answered_once
from core.wire.app import Operation, Output
from core.wire.paging import page

_MEMBERS = {"number": "agentRuntimeVersion"}


def endpoint_create(call: WireCall) -> Output:
    """Make an endpoint of a version; without a number, of what is the newest now.

    Raises:
        AgentUnknown, VersionUnknown: there is no such agent, or no such version of it.
        NameTaken: the agent has an endpoint of this name.
        InvalidRequest: a tag's key is reserved.
    """
    return answered_once(call, _create)


def endpoint_get(call: WireCall) -> Output:
    """Return an endpoint. Raises AgentUnknown, EndpointUnknown."""
    endpoint = _named(call)
    return _told(endpoint, newest_of(endpoint.agent))


def endpoint_update(call: WireCall) -> Output:
    """Point an endpoint at another version, or describe it anew; what is not given stays.

    Raises:
        AgentUnknown, EndpointUnknown, VersionUnknown: there is no such thing.
        DefaultEndpoint: it follows the newest version, and is pointed at none.
    """
    return answered_once(call, _update)


def endpoint_delete(call: WireCall) -> Output:
    """Delete an endpoint.

    Raises:
        AgentUnknown, EndpointUnknown: there is no such thing.
        DefaultEndpoint: it is deleted with its agent alone.
    """
    return answered_once(call, _delete)


def endpoints_list(call: WireCall) -> Output:
    """Return the endpoints of an agent by name, a page at a time. Raises AgentUnknown."""
    agent = agent_named(call)
    newest = newest_of(agent)
    rows, token = page(_of(agent), operation=f"{call.operation} {agent.agent_id}", asked=call.input)
    return {"runtimeEndpoints": [_told(row, newest) for row in rows], "nextToken": token}


OPERATIONS: list[Operation[Caller]] = [
    Operation("CreateAgentRuntimeEndpoint", endpoint_create, guard=operators),
    Operation("GetAgentRuntimeEndpoint", endpoint_get, guard=operators),
    Operation("UpdateAgentRuntimeEndpoint", endpoint_update, guard=operators),
    Operation("DeleteAgentRuntimeEndpoint", endpoint_delete, guard=operators),
    Operation("ListAgentRuntimeEndpoints", endpoints_list, guard=operators),
]


def _create(call: WireCall) -> dict[str, Any]:
    agent = agent_named(call)
    with members_named(_MEMBERS):
        endpoint = services.endpoint_create(
            agent=agent,
            name=call.input["name"].reveal(),
            number=_number(call),
            description=call.input.get("description", ""),
            tags=call.input.get("tags"),
            actor=call.caller.actor,
        )
    assert endpoint.version is not None  # noqa: S101  (for the type checker)
    return {
        "targetVersion": str(endpoint.version.number),
        "agentRuntimeEndpointArn": endpoint.arn,
        "agentRuntimeArn": agent.arn,
        "agentRuntimeId": agent.agent_id,
        "endpointName": endpoint.name,
        "status": READY,
        "createdAt": endpoint.created_at,
    }


def _update(call: WireCall) -> dict[str, Any]:
    endpoint = _named(call)
    with members_named(_MEMBERS):
        services.endpoint_change(
            endpoint=endpoint,
            number=_number(call),
            description=call.input.get("description"),
            actor=call.caller.actor,
        )
    told = _told(endpoint, newest_of(endpoint.agent))
    return {name: told[name] for name in told if name not in {"name", "id", "description"}}


def _delete(call: WireCall) -> dict[str, Any]:
    endpoint = _named(call)
    services.endpoint_delete(endpoint=endpoint, actor=call.caller.actor)
    return {
        "status": DELETING,
        "agentRuntimeId": endpoint.agent.agent_id,
        "endpointName": endpoint.name,
    }


def _number(call: WireCall) -> int | None:
    given = call.input.get("agentRuntimeVersion")
    return None if given is None else int(given)


def _of(agent: Agent) -> Any:
    return AgentEndpoint.objects.select_related("agent__workload_identity", "version").filter(
        agent=agent
    )


def _named(call: WireCall) -> AgentEndpoint:
    found: AgentEndpoint | None = (
        _of(agent_named(call)).filter(name=call.input["endpointName"].reveal()).first()
    )
    if found is None:
        raise EndpointUnknown
    return found


def _told(endpoint: AgentEndpoint, newest: AgentVersion) -> dict[str, Any]:
    served, changed = endpoint.version or newest, endpoint.updated_at
    return {
        "name": endpoint.name,
        "id": endpoint.endpoint_id,
        "liveVersion": str(served.number),
        "targetVersion": str(served.number),
        "agentRuntimeEndpointArn": endpoint.arn,
        "agentRuntimeArn": endpoint.agent.arn,
        "description": endpoint.description or None,
        "status": READY,
        "createdAt": endpoint.created_at,
        # DEFAULT changes by what it follows.
        "lastUpdatedAt": changed if endpoint.version else max(changed, newest.created_at),
    }
