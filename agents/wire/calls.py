"""Calls of the wire API: by which access keys they may be made, and in whose name."""

from __future__ import annotations

from agents.arns import workload_identity_arn
from agents.errors import ForeignWorkload
from agents.keys.callers import Caller
from core.errors import Forbidden
from core.wire.app import Call

WireCall = Call[Caller]


def operators(call: WireCall) -> None:
    """Let only keys through that are bound to no workload identity."""
    if not call.caller.is_operator:
        raise Forbidden(f"You are not authorized to perform: bedrock-agentcore:{call.operation}")


def holders_of_a_key(call: WireCall) -> None:
    """Let every access key through to the handler, which asks whose workload identity it is."""


def refuse_foreign(call: WireCall, workload_name: str) -> None:
    """Return if the key may be used for `workload_name`. Raises ForeignWorkload."""
    if not call.caller.may_act_as(workload_name):
        # The real service's words. Whether there is such an identity is not told.
        raise ForeignWorkload(
            f"You are not authorized to perform: bedrock-agentcore:{call.operation} on resource: "
            f"{workload_identity_arn(workload_name)}"
        )
