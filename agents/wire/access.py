"""Resource policies and tags in the wire API. Operators alone say who may use what."""

from __future__ import annotations

from agents import tags
from agents.arns import as_documented
from agents.keys.callers import Caller
from agents.policies import stored
from agents.wire.calls import WireCall, operators
from core.wire.app import Operation, Output


def resource_policy_put(call: WireCall) -> Output:
    """Make a document the policy of a resource. Raises as `policy_put`."""
    text = call.input["policy"]
    stored.policy_put(resource_arn=_arn(call), text=text, actor=call.caller.actor)
    return {"policy": text}


def resource_policy_get(call: WireCall) -> Output:
    """Return the policy of a resource, if it has one. Raises as `policy_of`."""
    text = stored.policy_of(_arn(call))
    return {} if text is None else {"policy": text}


def resource_policy_delete(call: WireCall) -> Output:
    """Leave a resource without a policy. Raises as `policy_delete`."""
    stored.policy_delete(resource_arn=_arn(call), actor=call.caller.actor)
    return {}


def tags_put(call: WireCall) -> Output:
    """Attach tags to a resource. Raises as `tags_add`."""
    arn, given = _arn(call), call.input["tags"]
    tags.tags_add(resource_arn=arn, tags=given, actor=call.caller.actor)
    return {}


def tags_delete(call: WireCall) -> Output:
    """Detach tags from a resource. Raises as `tags_remove`."""
    arn, keys = _arn(call), call.input["tagKeys"]
    tags.tags_remove(resource_arn=arn, keys=keys, actor=call.caller.actor)
    return {}


def tags_list(call: WireCall) -> Output:
    """Return the tags of a resource. Raises as `tags_of`."""
    return {"tags": tags.tags_of(_arn(call))}


def _arn(call: WireCall) -> str:
    return as_documented(call.input["resourceArn"])


OPERATIONS: list[Operation[Caller]] = [
    Operation("PutResourcePolicy", resource_policy_put, guard=operators),
    Operation("GetResourcePolicy", resource_policy_get, guard=operators),
    Operation("DeleteResourcePolicy", resource_policy_delete, guard=operators),
    Operation("TagResource", tags_put, guard=operators),
    Operation("UntagResource", tags_delete, guard=operators),
    Operation("ListTagsForResource", tags_list, guard=operators),
]
