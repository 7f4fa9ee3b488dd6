"""Endpoints: names under which an agent is called, each pinned to a version of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from agents import resources
from agents.errors import DefaultEndpoint, NameTaken, VersionUnknown
from agents.models import Agent, AgentEndpoint, AgentVersion
from agents.models.registry import DEFAULT_ENDPOINT
from agents.services.rows import check_fields, insert
from agents.tags import tags_add
from core import audit
from core.audit import Actor


def endpoint_create(
    *,
    agent: Agent,
    name: str,
    number: int | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: Actor,
) -> AgentEndpoint:
    """Return a new endpoint of the version `number`; without one, of what is the newest now.

    Raises:
        InvalidRequest: the name or the description is not one, or a tag's key is reserved.
        NameTaken: the agent has an endpoint of this name.
        VersionUnknown: the agent has no version of this number.
    """
    with transaction.atomic():
        version = _held_version(agent, number)
        endpoint = AgentEndpoint(agent=agent, name=name, version=version, description=description)
        check_fields(endpoint, besides="agent")
        insert(endpoint, NameTaken(_("The agent has an endpoint of this name already.")))
        _record("created", endpoint, actor)
        if tags:
            tags_add(resource_arn=endpoint.arn, tags=tags, actor=actor)
    return endpoint


def endpoint_change(
    *,
    endpoint: AgentEndpoint,
    number: int | None = None,
    description: str | None = None,
    actor: Actor,
) -> None:
    """Point the endpoint at another version, or describe it anew; None leaves what there is.

    Raises:
        DefaultEndpoint: it follows the newest version, and is pointed at none.
        InvalidRequest: the description is too long.
        VersionUnknown: the agent has no version of this number.
    """
    if number is not None and endpoint.name == DEFAULT_ENDPOINT:
        raise DefaultEndpoint(
            _(
                "DEFAULT follows the newest version. To go back, update the agent with the values "
                "of the version before; to stay at a version, make another endpoint for it."
            )
        )
    with transaction.atomic():
        before = (endpoint.version, endpoint.description)
        if number is not None:
            endpoint.version = _held_version(endpoint.agent, number)
        if description is not None:
            endpoint.description = description
        if before == (endpoint.version, endpoint.description):
            return
        check_fields(endpoint, besides="agent")
        endpoint.save(update_fields=["version", "description", "updated_at"])
        _record("changed", endpoint, actor)


def endpoint_delete(*, endpoint: AgentEndpoint, actor: Actor) -> None:
    """Delete the endpoint, with its policy and tags. Calls of it are refused within a second.

    Raises:
        DefaultEndpoint: it is the one that an agent always has.
    """
    if endpoint.name == DEFAULT_ENDPOINT:
        raise DefaultEndpoint(_("DEFAULT is deleted with its agent alone."))
    with transaction.atomic():
        _record("deleted", endpoint, actor)
        resources.attached_delete(arn=endpoint.arn)
        endpoint.delete()


def _held_version(agent: Agent, number: int | None) -> AgentVersion:
    """Return a version that stays for the rest of this transaction."""
    Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=agent.pk)
    versions = agent.versions.order_by("-number")
    version = (versions if number is None else versions.filter(number=number)).first()
    if version is None:
        raise VersionUnknown
    return version


def _record(done: str, endpoint: AgentEndpoint, actor: Actor) -> None:
    agent, version = endpoint.agent, endpoint.version
    detail: dict[str, Any] = {"endpoint": endpoint.name}
    audit.record(
        audit.Event(
            f"admin.endpoint.{done}",
            actor=actor.name,
            subject=actor.subject,
            agent=agent.agent_id,
            workload=agent.workload_identity.name,
            detail={**detail, "version": version.number if version else None},
        )
    )
