"""What keeping any credential provider is: its row, who may use it and its tags, all on record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from agents import resources
from agents.models import WorkloadIdentity
from agents.tags import tags_add
from core import audit
from core.audit import Actor
from vault.models import ApiKeyProvider, CredentialProvider

Provider = CredentialProvider | ApiKeyProvider


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of provider: the ARN of one by its name, and the trail's actions."""

    arn: Callable[[str], str]
    added: str
    changed: str
    deleted: str

    def save(
        self,
        provider: Provider,
        detail: Mapping[str, Any],
        *,
        workloads: Collection[WorkloadIdentity] | None,
        tags: Mapping[str, str] | None,
        actor: Actor,
    ) -> None:
        """Save `provider`, all or nothing. Without `workloads` those that may use it stay.

        Raises:
            InvalidRequest: a tag's key is reserved.
            AuditUnavailable: it cannot be put on record.
        """
        told: dict[str, Any] = {
            "enabled": provider.enabled,
            "any_workload": provider.any_workload,
            **detail,
        }
        if workloads is not None:
            told["workloads"] = sorted(workload.name for workload in workloads)
        with transaction.atomic():
            self.record(
                self.added if provider._state.adding else self.changed, provider, actor, told
            )
            provider.save()
            if workloads is not None:
                provider.workloads.set(workloads)
            if tags:
                tags_add(resource_arn=self.arn(provider.name), tags=tags, actor=actor)

    def delete(self, provider: Provider, *, actor: Actor) -> None:
        """Delete `provider` with what is attached to it. Raises AuditUnavailable."""
        with transaction.atomic():
            self.record(self.deleted, provider, actor)
            resources.attached_delete(arn=self.arn(provider.name))
            provider.delete()

    def record(
        self, action: str, provider: Provider, actor: Actor, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Put on record what was done to `provider`. Raises AuditUnavailable."""
        audit.record(
            audit.Event(
                action,
                actor=actor.name,
                subject=actor.subject,
                provider=provider.name,
                detail=dict(detail or {}),
            )
        )
