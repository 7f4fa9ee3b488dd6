"""The wire API without a network: an operation's own reader, guard, handler and writer in a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from botocore.model import OperationModel

from agents.keys.callers import Caller
from core.errors import AppError, InvalidRequest
from core.wire import model
from core.wire.app import Call, Operation
from core.wire.read import InputReader
from core.wire.write import OutputWriter
from portal.wire import OPERATIONS

OPERATOR = Caller("AKIAOPERATOR", None)
_BY_NAME: Mapping[str, Operation[Caller]] = {operation.name: operation for operation in OPERATIONS}


def ask(operation: str, caller: Caller = OPERATOR, **asked: Any) -> dict[str, Any]:
    """Return the body of the answer to a call of a sync operation."""
    known, served = model.operations()[operation], _BY_NAME[operation]
    labels = {name: asked.pop(name) for name in list(asked) if f"{{{name}}}" in _path(known)}
    query = [
        (sent_as.encode(), str(asked.pop(name)).encode())
        for name, sent_as in _in_query(known)
        if name in asked
    ]
    call = Call(
        operation=operation,
        input=InputReader(known).read(
            labels=labels, query=query, headers={}, body=json.dumps(asked).encode()
        ),
        caller=caller,
        request_id="",
        client_ip=None,
    )
    served.admit(call)
    written = OutputWriter(known).write(cast(Mapping[str, Any], served.handler(call)))
    assert written.status == known.http["responseCode"]
    return written.body


def _path(known: OperationModel) -> str:
    return str(known.http["requestUri"])


def _in_query(known: OperationModel) -> list[tuple[str, str]]:
    assert known.input_shape is not None
    return [
        (name, member.serialization["name"])
        for name, member in known.input_shape.members.items()
        if member.serialization.get("location") == "querystring"
    ]


def refused(error: type[AppError], operation: str, **asked: Any) -> AppError:
    """Return how a call is refused."""
    with pytest.raises(error) as caught:
        ask(operation, **asked)
    return caught.value


def field_of(refusal: AppError) -> str:
    """Return the one field that a refusal names."""
    assert isinstance(refusal, InvalidRequest)
    (field,) = refusal.fields
    return field.name
