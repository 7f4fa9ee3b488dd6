"""Tags of resources: words that operators attach, which mean nothing to this site but for one.

That one lets an agent's authorizer go: see `agents/wire/runtimes/agents.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import transaction

from agents import resources
from agents.errors import AgentsError
from agents.models import ResourceTag
from agents.resources import ResourceUnknown
from core.audit import Actor
from core.errors import invalid

MAX_TAGS = 50
_RESERVED = "aws:"


class TooManyTags(AgentsError):
    """The resource would have more tags than one may have."""

    code = "too_many_tags"
    status = 402  # what the API's model gives to this error
    aws = "ServiceQuotaExceededException"
    message = f"A resource has {MAX_TAGS} tags at most."


def tags_add(*, resource_arn: str, tags: Mapping[str, str], actor: Actor) -> None:
    """Attach `tags` to the resource; of a key that it has already, the value changes.

    Raises:
        ResourceUnknown: there is no such resource, or none of a kind that has tags.
        InvalidRequest: a key begins as AWS's own do.
        TooManyTags: there would be more than MAX_TAGS.
    """
    _refuse_untaggable(resource_arn)
    if reserved := sorted(key for key in tags if key.lower().startswith(_RESERVED)):
        message = f"Tag keys that begin with {_RESERVED} are reserved: {', '.join(reserved)}"
        raise invalid("tags", message)
    if not tags:
        return
    with transaction.atomic():
        resources.hold(resource_arn)  # so that two calls do not both add the last one
        others = ResourceTag.objects.filter(resource_arn=resource_arn).exclude(key__in=tags)
        if others.count() + len(tags) > MAX_TAGS:
            raise TooManyTags
        for key, value in tags.items():
            ResourceTag.objects.update_or_create(
                resource_arn=resource_arn, key=key, defaults={"value": value}
            )
        resources.record("admin.tags.added", resource_arn, actor, tags=dict(tags))


def tags_remove(*, resource_arn: str, keys: Collection[str], actor: Actor) -> None:
    """Detach the tags of these keys; one that the resource does not have is no error.

    Raises:
        ResourceUnknown: as `tags_add`.
    """
    _refuse_untaggable(resource_arn)
    with transaction.atomic():
        found = ResourceTag.objects.filter(resource_arn=resource_arn, key__in=keys)
        removed = sorted(found.values_list("key", flat=True))
        if removed:
            found.delete()
            resources.record("admin.tags.removed", resource_arn, actor, keys=removed)


def tags_of(resource_arn: str) -> dict[str, str]:
    """Return the tags of the resource. Raises ResourceUnknown, as `tags_add`."""
    _refuse_untaggable(resource_arn)
    return dict(ResourceTag.objects.filter(resource_arn=resource_arn).values_list("key", "value"))


def _refuse_untaggable(resource_arn: str) -> None:
    if not resources.find(resource_arn).kind.taggable:
        raise ResourceUnknown
