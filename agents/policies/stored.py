"""Putting, reading and deleting the policy of a resource."""

from __future__ import annotations

from django.db import transaction

from agents import resources
from agents.models import ResourcePolicy
from agents.policies import document, principals
from agents.policies.conditions import Unsupported
from agents.policies.document import ACTION_PREFIX, Statement
from agents.policies.wildcards import matches
from agents.resources import Resource
from core.audit import Actor


def policy_put(*, resource_arn: str, text: str, actor: Actor) -> None:
    """Make `text` the policy of the resource, in place of any that it had.

    A statement that could never apply is refused like one that is not understood: it is misspelt.

    Raises:
        ResourceUnknown: there is no such resource.
        InvalidRequest: `text` is no policy for it; the message says why.
    """
    check(resource_arn=resource_arn, text=text)
    with transaction.atomic():
        ResourcePolicy.objects.update_or_create(
            resource_arn=resource_arn, defaults={"document": text}
        )
        resources.record("admin.resource_policy.put", resource_arn, actor, policy=text)


def check(*, resource_arn: str, text: str) -> None:
    """Return if `text` can be the policy of the resource. Raises as `policy_put`."""
    resource = resources.find(resource_arn)
    policy = document.parse(text)
    try:
        for statement in policy.statements:
            _refuse_idle(statement, resource)
            principals.refuse_unknown(statement.principals)
    except Unsupported as exc:
        raise document.refused(str(exc)) from None


def policy_of(resource_arn: str) -> str | None:
    """Return the policy of the resource as it was put, or None. Raises ResourceUnknown."""
    resources.find(resource_arn)
    row = ResourcePolicy.objects.filter(resource_arn=resource_arn).first()
    return row.document if row else None


def policy_delete(*, resource_arn: str, actor: Actor) -> None:
    """Leave the resource without a policy, whether it had one or not.

    Raises:
        ResourceUnknown: it had none, and there is no such resource.
    """
    with transaction.atomic():
        deleted, _ = ResourcePolicy.objects.filter(resource_arn=resource_arn).delete()
        if deleted:
            resources.record("admin.resource_policy.deleted", resource_arn, actor)
            return
    resources.find(resource_arn)


def _refuse_idle(statement: Statement, resource: Resource) -> None:
    """Raise Unsupported where a part of the statement fits nothing of this resource."""
    known = sorted(resource.kind.actions)
    for pattern in statement.actions:
        if not any(
            matches(pattern.lower(), f"{ACTION_PREFIX}{action}".lower()) for action in known
        ):
            raise Unsupported(
                f"{pattern} is no action on this resource, which has {', '.join(known)}"
            )
    for pattern in statement.resources:
        if not matches(pattern, resource.arn):
            raise Unsupported(f"the Resource {pattern} is not the one that the policy is put on")
