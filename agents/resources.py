"""What has an ARN here, and may have a resource policy or tags.

Rooms above this one add their kinds (`register`) when the process starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.arns import site_arn
from agents.errors import AgentsError
from agents.models import (
    Agent,
    AgentEndpoint,
    AnsweredCall,
    ResourcePolicy,
    ResourceTag,
    WorkloadIdentity,
)
from core import audit
from core.audit import Actor
from core.errors import NotFound

_INVOKING = frozenset({"InvokeAgentRuntime", "InvokeAgentRuntimeForUser", "StopRuntimeSession"})
_ISSUING = frozenset(
    {"GetWorkloadAccessToken", "GetWorkloadAccessTokenForJWT", "GetWorkloadAccessTokenForUserId"}
)


class ResourceUnknown(AgentsError, NotFound):
    """The ARN is of another site, of a kind that cannot have this, or of nothing."""

    code = "resource_not_found"
    message = _("There is no resource of this ARN that can have policies or tags.")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: how its ARN ends, what a policy may say of it, and which there are."""

    pattern: re.Pattern[str]
    actions: frozenset[str]
    exists: Callable[..., bool]  # of the names in the ARN, in their order
    taggable: bool = True


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is there. Only `find` makes one."""

    arn: str
    kind: Kind


_kinds: list[Kind] = []


def register(kind: Kind) -> None:
    """Add a kind of resource, for as long as the process runs."""
    _kinds.append(kind)


def find(arn: str) -> Resource:
    """Return the resource that `arn` names. Raises ResourceUnknown."""
    prefix = site_arn("")
    if arn.startswith(prefix):
        for kind in _kinds:
            named = kind.pattern.fullmatch(arn.removeprefix(prefix))
            if named and kind.exists(*named.groups()):
                return Resource(arn, kind)
    raise ResourceUnknown


def hold(arn: str) -> None:
    """Make others that hold the same ARN wait until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [arn])


def record(action: str, arn: str, actor: Actor, **detail: object) -> None:
    """Put on record what `actor` attached to a resource, or took off it."""
    audit.record(
        audit.Event(
            action,
            actor=actor.name,
            subject=actor.subject,
            detail={"resource": arn, **detail},
        )
    )


def attached_delete(*, arn: str) -> None:
    """Delete the policies and tags of a resource that goes, and of what is below it.

    In the caller's transaction: what is made later under the same name has neither. The answers
    that told of it go, too.
    """
    for attached in (ResourcePolicy, ResourceTag, AnsweredCall):
        attached._default_manager.filter(
            Q(resource_arn=arn) | Q(resource_arn__startswith=f"{arn}/")
        ).delete()


def _agent(agent_id: str) -> bool:
    return Agent.objects.filter(agent_id=agent_id).exists()


def _endpoint(agent_id: str, name: str) -> bool:
    return AgentEndpoint.objects.filter(agent__agent_id=agent_id, name=name).exists()


def _identity(name: str) -> bool:
    return WorkloadIdentity.objects.filter(name=name).exists()


register(Kind(re.compile(r"runtime/([^/]+)"), _INVOKING, _agent))
register(Kind(re.compile(r"runtime/([^/]+)/runtime-endpoint/([^/]+)"), _INVOKING, _endpoint))
register(
    Kind(
        re.compile(r"workload-identity-directory/default/workload-identity/([^/]+)"),
        _ISSUING,
        _identity,
    )
)
