"""A call with a client token is done once, however often it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from agents import resources
from agents.models import AnsweredCall
from agents.wire.calls import WireCall
from core.errors import Conflict, FieldError, InvalidRequest
from core.secret import Secret
from core.wire import model
from core.wire.app import Output

KEPT = timedelta(days=1)
_TIMES = ("createdAt", "lastUpdatedAt")
_OTHER = (
    "This clientToken came with another request before. Send the same request again, or give a "
    "new token."
)


def answered_once(call: WireCall, work: Callable[[WireCall], dict[str, Any]]) -> Output:
    """Return what `work` answers, or answered a day ago at most to the same call with this token.

    What it does and that it was done are one transaction; the same token waits for it.

    Raises:
        InvalidRequest, Conflict: the token came with another request, in the error that the
            operation has for it.
    """
    token = call.input.get("clientToken")
    if token is None:
        return work(call)
    asked = _digest(call)
    with transaction.atomic():
        resources.hold(f"{call.operation} {token}")
        AnsweredCall.objects.filter(at__lt=timezone.now() - KEPT).delete()
        before = AnsweredCall.objects.filter(operation=call.operation, client_token=token).first()
        if before is not None:
            if bytes(before.asked_sha256) != asked:
                raise _mismatch(call.operation)
            return _read(before.answer)
        answer = work(call)
        AnsweredCall.objects.create(
            operation=call.operation,
            client_token=token,
            asked_sha256=asked,
            answer=json.loads(json.dumps(answer, cls=DjangoJSONEncoder)),
            resource_arn=answer.get("agentRuntimeEndpointArn", answer.get("agentRuntimeArn", "")),
        )
        return answer


def _digest(call: WireCall) -> bytes:
    asked = {name: value for name, value in call.input.items() if name != "clientToken"}
    return sha256(json.dumps(asked, sort_keys=True, default=_revealed).encode()).digest()


def _revealed(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"a {type(value).__name__} in the input")


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(answer[name]) for name in _TIMES if name in answer}
    return {**answer, **times}


def _mismatch(operation: str) -> InvalidRequest | Conflict:
    shapes = model.operations()[operation].error_shapes
    if "ValidationException" not in {shape.name for shape in shapes}:
        return Conflict(_OTHER)
    return InvalidRequest(
        _OTHER,
        fields=(FieldError("clientToken", _OTHER),),
        reason="IdempotentParameterMismatchException",
    )
