"""Workload identities: under what agents act, and where consent for them may end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from agents import resources
from agents.errors import NameTaken, WorkloadInUse
from agents.models import WorkloadIdentity
from agents.services.rows import check_fields, insert
from agents.tags import tags_add
from core import audit
from core.audit import Actor
from core.errors import invalid

_MAX_RETURN_URL_CHARS = 2048
_RETURN_URL = re.compile(r"https?://[^\s/?#@\\]+(/[^\s#\\]*)?(\?[^\s#\\]*)?")


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
    check_fields(identity)
    check_return_urls(identity.allowed_return_urls)
    with transaction.atomic():
        insert(identity, NameTaken(_("There is a workload identity of this name already.")))
        _record("created", identity, actor)
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
        _record("changed", identity, actor)


def workload_identity_switch(*, identity: WorkloadIdentity, enabled: bool, actor: Actor) -> None:
    """Switch the identity on or off. Off, it gets no token of anybody within a second."""
    with transaction.atomic():
        rows = WorkloadIdentity.objects.filter(pk=identity.pk).exclude(enabled=enabled)
        if rows.update(enabled=enabled):
            _record("enabled" if enabled else "disabled", identity, actor)
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
        _record("deleted", identity, actor)
        resources.attached_delete(arn=identity.arn)
        identity.delete()


def check_return_urls(urls: Iterable[str]) -> None:
    """Refuse a URL that a person cannot be sent back to after consent. Raises InvalidRequest."""
    for url in urls:
        if len(url) > _MAX_RETURN_URL_CHARS or not _RETURN_URL.fullmatch(url):
            reason = _(
                "“%(url)s” is not a URL that a person can be sent back to: http or https, without "
                "credentials and without a fragment."
            ) % {"url": url[:200]}
            raise invalid("allowed_return_urls", reason)


def _record(done: str, identity: WorkloadIdentity, actor: Actor) -> None:
    audit.record(
        audit.Event(
            f"admin.workload_identity.{done}",
            actor=actor.name,
            subject=actor.subject,
            workload=identity.name,
            detail={"allowed_return_urls": identity.allowed_return_urls},
        )
    )
