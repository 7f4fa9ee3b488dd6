"""Agents and their versions."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from agents import configuration, resources
from agents.configuration import Configuration
from agents.errors import AgentInUse, NameTaken, VersionInUse, VersionUnknown
from agents.models import Agent, AgentEndpoint, AgentVersion, RuntimeSession
from agents.services.identities import workload_identity_create
from agents.services.rows import check_fields, insert
from agents.tags import tags_add
from core import audit
from core.audit import Actor
from core.models import User

_ALPHABET = string.ascii_letters + string.digits
_SUFFIX_CHARS = 10


def agent_register(
    *,
    name: str,
    display_name: str,
    description: str = "",
    asked: Configuration,
    actor: Actor,
    enabled: bool = True,
    everyone: bool = False,
    groups: Iterable[Group] = (),
    people: Iterable[User] = (),
    accepts: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
) -> Agent:
    """Return a new agent with its first version, its `DEFAULT` endpoint and its workload identity.

    Without `everyone`, `groups` or `people` nobody may use it.

    Raises:
        ConfigurationRefused: with the reasons, each at its field.
        NameTaken: another agent has the name.
        InvalidRequest: a field of the agent is wrong, or a tag's key is reserved.
    """
    configuration.check(asked)
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_CHARS))
    agent = Agent(
        agent_id=f"{name}-{suffix}",
        name=name,
        display_name=display_name,
        description=description,
        enabled=enabled,
        allow_everyone=everyone,
        accepts=list(accepts),
    )
    check_fields(agent, besides="workload_identity")
    with transaction.atomic():
        agent.workload_identity = workload_identity_create(name=agent.agent_id, actor=actor)
        insert(agent, NameTaken(_("There is an agent of this name already.")))
        AgentVersion.objects.create(agent=agent, number=1, **asked.columns())
        AgentEndpoint.objects.create(agent=agent)
        agent.allowed_groups.set(groups)
        agent.allowed_users.set(people)
        _record("registered", agent, actor, {**asked.columns(), **_access_of(agent)})
        if tags:
            tags_add(resource_arn=agent.arn, tags=tags, actor=actor)
    return agent


def agent_configure(
    *, agent: Agent, asked: Configuration, actor: Actor, may_drop_authorizer: bool = False
) -> AgentVersion:
    """Return the version that says what was asked: a new one, unless the newest says it already.

    Raises:
        ConfigurationRefused: with the reasons, each at its field; also where people's tokens would
            not be asked for any more and nobody said so.
    """
    with transaction.atomic():
        # Held so that two admins do not both make version n+1.
        Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=agent.pk)
        newest = agent.versions.order_by("-number").first()
        before = Configuration.of(newest) if newest else None
        if newest is not None and before == asked:
            return newest
        configuration.check(asked, before=before, may_drop_authorizer=may_drop_authorizer)
        number = newest.number + 1 if newest else 1
        version = AgentVersion.objects.create(agent=agent, number=number, **asked.columns())
        _record("configured", agent, actor, {"version": number, **_changed(before, asked)})
    return version


def agent_describe(
    *,
    agent: Agent,
    display_name: str,
    description: str,
    accepts: Iterable[str] | None = None,
    actor: Actor,
) -> None:
    """Change what people read of the agent, and what they may attach; None leaves that as it is.

    Raises:
        InvalidRequest: a field is wrong.
    """
    kinds = agent.accepts if accepts is None else list(accepts)
    if (agent.display_name, agent.description, agent.accepts) == (display_name, description, kinds):
        return
    agent.display_name, agent.description, agent.accepts = display_name, description, kinds
    check_fields(agent, besides="workload_identity")
    with transaction.atomic():
        agent.save(update_fields=["display_name", "description", "accepts", "updated_at"])
        _record("described", agent, actor, {"display_name": display_name, "accepts": kinds})


def agent_switch(*, agent: Agent, enabled: bool, actor: Actor) -> None:
    """Switch the agent on or off. Off, it is refused to everybody within a second."""
    with transaction.atomic():
        changed = Agent.objects.filter(pk=agent.pk).exclude(enabled=enabled).update(enabled=enabled)
        if changed:
            _record("enabled" if enabled else "disabled", agent, actor)
    agent.enabled = enabled


def agent_open_to(
    *,
    agent: Agent,
    everyone: bool,
    groups: Iterable[Group],
    people: Iterable[User],
    actor: Actor,
) -> None:
    """Say who may use the agent, in place of whoever could before."""
    with transaction.atomic():
        before = _access_of(agent)
        agent.allow_everyone = everyone
        agent.save(update_fields=["allow_everyone", "updated_at"])
        agent.allowed_groups.set(groups)
        agent.allowed_users.set(people)
        after = _access_of(agent)
        if before != after:
            _record("opened_to", agent, actor, {"before": before, "after": after})


def agent_delete(*, agent: Agent, actor: Actor) -> None:
    """Delete the agent, its versions, and its workload identity with its access keys.

    Raises:
        AgentInUse: something is kept that belongs to it, such as what people granted it.
    """
    try:
        with transaction.atomic():
            _record("deleted", agent, actor)
            identity = agent.workload_identity
            for gone in (agent.arn, identity.arn):
                resources.attached_delete(arn=gone)
            RuntimeSession.objects.filter(agent_id=agent.agent_id).delete()
            agent.delete()
            identity.delete()
    except ProtectedError as exc:
        raise AgentInUse(detail=f"{len(exc.protected_objects)} rows") from None


def agent_version_delete(*, agent: Agent, number: int, actor: Actor) -> None:
    """Delete one version that nothing serves. What it said stays on record.

    Raises:
        VersionUnknown: the agent has no version of this number.
        VersionInUse: it is the newest, or an endpoint points at it.
    """
    with transaction.atomic():
        # Held so that no endpoint comes to point at it meanwhile.
        Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=agent.pk)
        version = agent.versions.filter(number=number).first()
        if version is None:
            raise VersionUnknown
        if not agent.versions.filter(number__gt=number).exists():
            message = _("Version %(number)d is the newest: update the agent, or delete it whole.")
            raise VersionInUse(message % {"number": number})
        pinned = sorted(version.endpoints.values_list("name", flat=True))
        if pinned:
            message = _("Version %(number)d is in use: point these endpoints at another: %(names)s")
            raise VersionInUse(message % {"number": number, "names": ", ".join(pinned)})
        said = Configuration.of(version).columns()
        version.delete()
        _record("version_deleted", agent, actor, {"version": number, **said})


def _access_of(agent: Agent) -> dict[str, Any]:
    return {
        "everyone": agent.allow_everyone,
        "groups": sorted(agent.allowed_groups.values_list("name", flat=True)),
        "people": sorted(user.subject.owner for user in agent.allowed_users.all()),
    }


def _changed(before: Configuration | None, after: Configuration) -> dict[str, Any]:
    """Return what `after` says that `before` did not."""
    return {name: value for name, (_old, value) in after.changes(before).items()}


def _record(done: str, agent: Agent, actor: Actor, detail: dict[str, Any] | None = None) -> None:
    audit.record(
        audit.Event(
            f"admin.agent.{done}",
            actor=actor.name,
            subject=actor.subject,
            agent=agent.agent_id,
            workload=agent.workload_identity.name,
            detail=detail or {},
        )
    )
