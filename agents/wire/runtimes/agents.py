"""Agents and their versions in the wire API. An update is a new version, and changes none.

Whoever makes an agent here says who may call it and not which people may use it, which AWS does not
know: everybody whom the authorizer lets through, unless the site forbids it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Greatest

from agents import services
from agents.configuration import Configuration
from agents.errors import AgentInUse, AgentUnknown, VersionUnknown
from agents.keys.callers import Caller
from agents.models import Agent, AgentVersion
from agents.tags import tags_of, tags_remove
from agents.wire.calls import WireCall, operators
from agents.wire.fields import members_named
from agents.wire.runtimes.configuration import MEMBERS, configuration_of, told
from agents.wire.runtimes.once import answered_once
from core.wire.app import Operation, Output
from core.wire.paging import page

READY, DELETING = "READY", "DELETING"
# The API has no member that says it; and to tag is a permission of its own.
MAY_DROP_TAG = "daiko:may-drop-authorizer"
_WORDS = {
    "may_drop_authorizer": (
        "The agent asks for people's tokens, and this update has no authorizerConfiguration: every "
        "holder of an access key could call it. Send the authorizer along, as an update replaces "
        f"everything; or, if that is what you want, tag the agent {MAY_DROP_TAG}=true first "
        "(TagResource). The update takes the tag off again."
    )
}


def runtime_create(call: WireCall) -> Output:
    """Register an agent.

    Raises:
        NameTaken: there is an agent of this name.
        InvalidRequest: by the mapping, or by the service.
    """
    return answered_once(call, _create)


def runtime_update(call: WireCall) -> Output:
    """Bring an agent to what was asked: by a new version, unless the newest says it already.

    Raises:
        AgentUnknown: there is none of this id.
        InvalidRequest: by the mapping, or by the service; also where the authorizer would go and
            nobody said that it may.
    """
    return answered_once(call, _update)


def runtime_get(call: WireCall) -> Output:
    """Return an agent as a version of it says, without a number the newest.

    Raises:
        AgentUnknown, VersionUnknown: there is no such agent, or no such version of it.
    """
    agent = agent_named(call)
    number = call.input.get("agentRuntimeVersion")
    newest = newest_of(agent)
    version = newest if number is None else agent.versions.filter(number=int(number)).first()
    if version is None:
        raise VersionUnknown
    changed = version.created_at
    return {
        **_made(agent, version),
        "agentRuntimeName": agent.name,
        "lastUpdatedAt": max(changed, agent.updated_at) if version == newest else changed,
        "description": agent.description or None,
        **told(version),
    }


def runtime_delete(call: WireCall) -> Output:
    """Delete an agent; with a number, one version of it that nothing serves.

    Raises:
        AgentUnknown, VersionUnknown: there is no such agent, or no such version of it.
        AgentInUse, VersionInUse: something is kept that belongs to it, or serves it.
    """
    return answered_once(call, _delete)


def runtimes_list(call: WireCall) -> Output:
    """Return the agents by name with their newest versions, a page at a time."""
    found = Agent.objects.annotate(
        newest=Max("versions__number"), changed=Greatest("updated_at", Max("versions__created_at"))
    ).filter(newest__isnull=False)
    rows, token = page(found, operation=call.operation, asked=call.input)
    # The annotations are attributes that the type checker does not see on the row.
    listed = [_listed(row, **_annotated(row)) for row in rows]
    return {"agentRuntimes": listed, "nextToken": token}


def versions_list(call: WireCall) -> Output:
    """Return the versions of an agent, the newest first, a page at a time. Raises AgentUnknown."""
    agent = agent_named(call)
    rows, token = page(
        agent.versions.all(),
        operation=call.operation,
        asked=call.input,
        by="number",
        newest_first=True,
    )
    listed = [_listed(agent, number=row.number, changed=row.created_at) for row in rows]
    return {"agentRuntimes": listed, "nextToken": token}


def agent_named(call: WireCall) -> Agent:
    """Return the agent that `call` names. Raises AgentUnknown."""
    found = (
        Agent.objects.select_related("workload_identity")
        .filter(agent_id=call.input["agentRuntimeId"])
        .first()
    )
    if found is None:
        raise AgentUnknown("There is no agent of this id.")
    return found


def newest_of(agent: Agent) -> AgentVersion:
    """Return the newest version. Raises VersionUnknown where an agent has none."""
    found: AgentVersion | None = agent.versions.order_by("-number").first()
    if found is None:
        raise VersionUnknown
    return found


OPERATIONS: list[Operation[Caller]] = [
    Operation("CreateAgentRuntime", runtime_create, guard=operators),
    Operation("GetAgentRuntime", runtime_get, guard=operators),
    Operation("UpdateAgentRuntime", runtime_update, guard=operators),
    Operation("DeleteAgentRuntime", runtime_delete, guard=operators),
    Operation("ListAgentRuntimes", runtimes_list, guard=operators),
    Operation("ListAgentRuntimeVersions", versions_list, guard=operators),
]


def _create(call: WireCall) -> dict[str, Any]:
    name = call.input["agentRuntimeName"]
    with members_named(MEMBERS):
        agent = services.agent_register(
            name=name,
            display_name=name,
            description=call.input.get("description", ""),
            asked=configuration_of(call.input),
            actor=call.caller.actor,
            everyone=settings.DAIKO_OPEN_AGENTS,
            tags=call.input.get("tags"),
        )
    return _made(agent, newest_of(agent))


def _update(call: WireCall) -> dict[str, Any]:
    agent, actor = agent_named(call), call.caller.actor
    before = Configuration.of(newest_of(agent))
    asked = configuration_of(call.input, before=before)
    may_drop = tags_of(agent.arn).get(MAY_DROP_TAG) == "true"
    with members_named(MEMBERS, words=_WORDS), transaction.atomic():
        version = services.agent_configure(
            agent=agent, asked=asked, actor=actor, may_drop_authorizer=may_drop
        )
        services.agent_describe(
            agent=agent,
            display_name=agent.display_name,
            description=call.input.get("description", ""),
            actor=actor,
        )
        if may_drop and before.asks_for_tokens and not asked.asks_for_tokens:
            tags_remove(resource_arn=agent.arn, keys=[MAY_DROP_TAG], actor=actor)
    return {
        **_made(agent, version),
        "lastUpdatedAt": max(version.created_at, agent.updated_at),
    }


def _delete(call: WireCall) -> dict[str, Any]:
    agent, number = agent_named(call), call.input.get("agentRuntimeVersion")
    actor = call.caller.actor
    if number is not None:
        services.agent_version_delete(agent=agent, number=int(number), actor=actor)
    else:
        try:
            services.agent_delete(agent=agent, actor=actor)
        except AgentInUse as exc:
            raise AgentInUse(
                "People have granted this agent access, or have conversations with it, which a "
                "deletion would take from them. Switch it off, or end all access, on its page of "
                "the admin site.",
                detail=exc.detail,
            ) from None
    return {
        "status": DELETING,
        "agentRuntimeId": call.input["agentRuntimeId"],
        "agentRuntimeVersion": number,
    }


def _named(agent: Agent, number: int) -> dict[str, Any]:
    return {
        "agentRuntimeArn": agent.arn,
        "agentRuntimeId": agent.agent_id,
        "agentRuntimeVersion": str(number),
        "status": READY,
    }


def _made(agent: Agent, version: AgentVersion) -> dict[str, Any]:
    return {
        **_named(agent, version.number),
        "workloadIdentityDetails": {"workloadIdentityArn": agent.workload_identity.arn},
        "createdAt": agent.created_at,
    }


def _annotated(row: Any) -> dict[str, Any]:
    return {"number": row.newest, "changed": row.changed}


def _listed(agent: Agent, *, number: int, changed: datetime) -> dict[str, Any]:
    return {
        **_named(agent, number),
        "agentRuntimeName": agent.name,
        # The model wants one, of one character at least.
        "description": agent.description or agent.display_name,
        "lastUpdatedAt": changed,
    }
