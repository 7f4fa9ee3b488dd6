"""The end of a workload identity in the wire API: what people granted it ends with it."""

from __future__ import annotations

from agents.keys.callers import Caller
from agents.wire.calls import WireCall, operators
from agents.wire.identities import identity_named
from core.wire.app import Operation, Output
from vault.ending import cascade


def workload_identity_delete(call: WireCall) -> Output:
    """Delete a workload identity that belongs to no agent.

    Raises:
        WorkloadUnknown: there is none of this name.
        WorkloadInUse: by the service.
    """
    identity = identity_named(call.input["name"])
    cascade.workload_identity_end(identity=identity, actor=call.caller.actor)
    return {}


OPERATIONS: list[Operation[Caller]] = [
    Operation("DeleteWorkloadIdentity", workload_identity_delete, guard=operators),
]
