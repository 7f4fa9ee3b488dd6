"""What changes the registry. Every change is on record with who made it, or is not made."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError
from django.utils.translation import gettext as _

from agents import configuration, resources
from agents.configuration import Configuration
from agents.errors import AgentInUse, NameTaken, WorkloadInUse
from agents.models import Agent, AgentEndpoint, AgentVersion, WorkloadIdentity
from agents.tags import tags_add
from core import audit
from core.audit import Actor
from core.errors import invalid, invalid_fields
from core.models import User

_ALPHABET = string.ascii_letters + string.digits
_SUFFIX_CHARS = 10
_MAX_RETURN_URL_CHARS = 2048
_RETURN_URL = re.compile(r"https?://[^\s/?#@\\]+(/[^\s#\\]*)?(\?[^\s#\\]*)?")


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
) -> Agent:
    """Return a new agent with its first version, its `DEFAULT` endpoint and its workload identity.

    Without `everyone`, `groups` or `people` nobody may use it.

    Raises:
        ConfigurationRefused: with the reasons, each at its field.
        NameTaken: another agent has the name.
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
    )
    _check_fields(agent, besides="workload_identity")
    with transaction.atomic():
        agent.workload_identity = workload_identity_create(name=agent.agent_id, actor=actor)
        _insert(agent, NameTaken(_("There is an agent of this name already.")))
        AgentVersion.objects.create(agent=agent, number=1, **asked.columns())
        AgentEndpoint.objects.create(agent=agent)
        agent.allowed_groups.set(groups)
        agent.allowed_users.set(people)
        _record("registered", agent, actor, {**asked.columns(), **_access_of(agent)})
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


def agent_describe(*, agent: Agent, display_name: str, description: str, actor: Actor) -> None:
    """Change what people read of the agent. Raises InvalidRequest."""
    if (agent.display_name, agent.description) == (display_name, description):
        return
    agent.display_name, agent.description = display_name, description
    _check_fields(agent, besides="workload_identity")
    with transaction.atomic():
        agent.save(update_fields=["display_name", "description", "updated_at"])
        _record("described", agent, actor, {"display_name": display_name})


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
            agent.delete()
            identity.delete()
    except ProtectedError as exc:
        raise AgentInUse(detail=f"{len(exc.protected_objects)} rows") from None


def workload_identity_create(
    *,
    name: str,
    allowed_return_urls: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
    actor: Actor,
) -> WorkloadIdentity:
    """Return a new workload identity.

    Raises:
        InvalidRequest: the name, or a return URL, is not one, or a tag's key is reserved.
        NameTaken: the name is in use.
    """
    identity = WorkloadIdentity(name=name, allowed_return_urls=list(allowed_return_urls))
    _check_fields(identity)
    check_return_urls(identity.allowed_return_urls)
    with transaction.atomic():
        _insert(identity, NameTaken(_("There is a workload identity of this name already.")))
        _record_identity("created", identity, actor)
        if tags:
            tags_add(resource_arn=identity.arn, tags=tags, actor=actor)
    return identity


def workload_identity_change(
    *, identity: WorkloadIdentity, allowed_return_urls: Iterable[str], actor: Actor
) -> None:
    """Say where consent may end, in place of what was said before.

    Raises:
        InvalidRequest: a return URL is not one.
    """
    urls = list(allowed_return_urls)
    check_return_urls(urls)
    if urls == identity.allowed_return_urls:
        return
    identity.allowed_return_urls = urls
    with transaction.atomic():
        identity.save(update_fields=["allowed_return_urls", "updated_at"])
        _record_identity("changed", identity, actor)


def workload_identity_switch(*, identity: WorkloadIdentity, enabled: bool, actor: Actor) -> None:
    """Switch the identity on or off. Off, it gets no token of anybody within a second."""
    with transaction.atomic():
        rows = WorkloadIdentity.objects.filter(pk=identity.pk).exclude(enabled=enabled)
        if rows.update(enabled=enabled):
            _record_identity("enabled" if enabled else "disabled", identity, actor)
    identity.enabled = enabled


def workload_identity_delete(*, identity: WorkloadIdentity, actor: Actor) -> None:
    """Delete the identity and its access keys. What people granted it has to have ended before.

    Raises:
        WorkloadInUse: an agent acts under it.
    """
    if identity.agent_id:
        message = _("It is the identity of the agent %(agent)s, with which alone it is deleted.")
        raise WorkloadInUse(message % {"agent": identity.agent_id})
    with transaction.atomic():
        _record_identity("deleted", identity, actor)
        resources.attached_delete(arn=identity.arn)
        identity.delete()


def _check_fields(row: Model, *, besides: str = "") -> None:
    """Hold a row against its fields' own rules. Raises InvalidRequest, each reason at its field."""
    try:
        row.clean_fields(exclude={besides})
    except ValidationError as exc:
        raise invalid_fields(exc.message_dict) from None


def _insert(row: Model, taken: NameTaken) -> None:
    """Store a new row, or raise `taken`."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise taken from None


def check_return_urls(urls: Iterable[str]) -> None:
    """Refuse a URL that a person cannot be sent back to after consent. Raises InvalidRequest."""
    for url in urls:
        if len(url) > _MAX_RETURN_URL_CHARS or not _RETURN_URL.fullmatch(url):
            reason = _(
                "“%(url)s” is not a URL that a person can be sent back to: http or https, without "
                "credentials and without a fragment."
            ) % {"url": url[:200]}
            raise invalid("allowed_return_urls", reason)


def _access_of(agent: Agent) -> dict[str, Any]:
    return {
        "everyone": agent.allow_everyone,
        "groups": sorted(agent.allowed_groups.values_list("name", flat=True)),
        "people": sorted(user.subject.owner for user in agent.allowed_users.all()),
    }


def _changed(before: Configuration | None, after: Configuration) -> dict[str, Any]:
    """Return what `after` says that `before` did not."""
    old = before.columns() if before else {}
    return {name: value for name, value in after.columns().items() if old.get(name) != value}


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


def _record_identity(done: str, identity: WorkloadIdentity, actor: Actor) -> None:
    audit.record(
        audit.Event(
            f"admin.workload_identity.{done}",
            actor=actor.name,
            subject=actor.subject,
            workload=identity.name,
            detail={"allowed_return_urls": identity.allowed_return_urls},
        )
    )
