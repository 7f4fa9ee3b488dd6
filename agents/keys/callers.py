"""Whoever proved to hold an access key, and what the key is good for.

A key is an operator's, who may do everything, or is bound to the one workload identity that its
holder, an agent's process, may act as. Either may be limited to some operations.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.keys.operations import ALL, FOR_AGENTS, OperationNotAllowed
from agents.policies import Principal, principals
from core.audit import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever proved to hold an access key."""

    access_key_id: str
    workload_name: str | None  # None: an operator
    operations: frozenset[str] = frozenset()  # none: it is not limited

    @property
    def is_operator(self) -> bool:
        """Say whether the key is bound to no workload identity."""
        return self.workload_name is None

    @property
    def actor(self) -> Actor:
        """Return who changes the site by the key."""
        return Actor(self.access_key_id)

    @property
    def principal(self) -> Principal:
        """Return the caller as resource policies name them."""
        return principals.of_key(self.access_key_id, self.workload_name)

    def may_act_as(self, workload_name: str) -> bool:
        """Say whether the key may be used for `workload_name`."""
        return self.is_operator or self.workload_name == workload_name

    def refuse_other(self, operation: str) -> None:
        """Return if a key of this kind, and this key, is for `operation`.

        Raises:
            OperationNotAllowed: it is not.
        """
        if operation not in (self.operations or (ALL if self.is_operator else FOR_AGENTS)):
            raise OperationNotAllowed(operation)
