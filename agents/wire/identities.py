"""Workload identities in the wire API (AgentCore Identity, control plane).

Operators keep them. An agent's own key may look at the identity that it is bound to, and no more:
with another return URL it could send people's consents elsewhere. Deleting one ends what people
granted it, which is the vault's.
"""

from __future__ import annotations

from typing import Any

from agents import services
from agents.errors import WorkloadUnknown
from agents.keys.callers import Caller
from agents.models import WorkloadIdentity
from agents.wire.calls import WireCall, holders_of_a_key, operators, refuse_foreign
from agents.wire.fields import members_named
from core.wire.app import Operation, Output
from core.wire.paging import page

_MEMBERS = {"allowed_return_urls": "allowedResourceOauth2ReturnUrls"}


def workload_identity_create(call: WireCall) -> Output:
    """Create a workload identity.

    Raises:
        NameTaken, InvalidRequest: by the service.
    """
    with members_named(_MEMBERS):
        identity = services.workload_identity_create(
            name=call.input["name"],
            allowed_return_urls=call.input.get("allowedResourceOauth2ReturnUrls", ()),
            tags=call.input.get("tags"),
            actor=call.caller.actor,
        )
    return {**_named(identity), **_return_urls(identity)}


def workload_identity_get(call: WireCall) -> Output:
    """Return a workload identity.

    Raises:
        ForeignWorkload: the key is bound to another.
        WorkloadUnknown: there is none of this name.
    """
    refuse_foreign(call, call.input["name"])
    return _told(identity_named(call.input["name"]))


def workload_identity_update(call: WireCall) -> Output:
    """Put the list of return URLs in place of the one before; without a list it stays.

    Raises:
        WorkloadUnknown: there is none of this name.
        InvalidRequest: a return URL is not one.
    """
    identity = identity_named(call.input["name"])
    if "allowedResourceOauth2ReturnUrls" in call.input:
        with members_named(_MEMBERS):
            services.workload_identity_change(
                identity=identity,
                allowed_return_urls=call.input["allowedResourceOauth2ReturnUrls"],
                actor=call.caller.actor,
            )
    return _told(identity)


def workload_identities_list(call: WireCall) -> Output:
    """Return the workload identities by name, a page at a time."""
    rows, token = page(WorkloadIdentity.objects.all(), operation=call.operation, asked=call.input)
    return {"workloadIdentities": [_named(row) for row in rows], "nextToken": token}


def identity_named(name: str) -> WorkloadIdentity:
    """Return the workload identity `name`. Raises WorkloadUnknown."""
    found = WorkloadIdentity.objects.select_related("agent").filter(name=name).first()
    if found is None:
        raise WorkloadUnknown
    return found


OPERATIONS: list[Operation[Caller]] = [
    Operation("CreateWorkloadIdentity", workload_identity_create, guard=operators),
    Operation("GetWorkloadIdentity", workload_identity_get, guard=holders_of_a_key),
    Operation("UpdateWorkloadIdentity", workload_identity_update, guard=operators),
    Operation("ListWorkloadIdentities", workload_identities_list, guard=operators),
]


def _named(identity: WorkloadIdentity) -> dict[str, Any]:
    return {"name": identity.name, "workloadIdentityArn": identity.arn}


def _return_urls(identity: WorkloadIdentity) -> dict[str, Any]:
    return {"allowedResourceOauth2ReturnUrls": identity.allowed_return_urls}


def _told(identity: WorkloadIdentity) -> dict[str, Any]:
    return {
        **_named(identity),
        **_return_urls(identity),
        "createdTime": identity.created_at,
        "lastUpdatedTime": identity.updated_at,
    }
