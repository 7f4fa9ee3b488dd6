"""Every operation that is served does what botocore's models say of it, in form.

Nothing here names an operation: what `portal/wire.py` lists is tested, with inputs made from the
shapes. A new operation that needs names or tokens of its own has them in `domain.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.model import OperationModel

from core.wire import model
from portal.wire import OPERATIONS
from tests.conformance.conftest import Wire
from tests.conformance.domain import Site, valid
from tests.conformance.outputs import unlike
from tests.core.wire import inputs

SERVED = sorted(operation.name for operation in OPERATIONS)
each_operation = pytest.mark.parametrize("name", SERVED)


@each_operation
@pytest.mark.parametrize("made", [inputs.smallest, inputs.valid], ids=["smallest", "whole"])
def test_the_answer_is_what_the_model_says(
    name: str, made: Callable[[OperationModel], dict[str, Any]], wire: Wire, site: Site
) -> None:
    operation = model.operations()[name]

    wire.call(name, valid(site, operation, made))

    assert wire.seen.status == operation.http["responseCode"]
    assert unlike(operation.output_shape, wire.seen.json()) == []
    assert wire.seen.headers["x-amzn-requestid"]


@each_operation
def test_what_breaks_one_rule_of_the_model_is_refused_with_the_member_that_breaks_it(
    name: str, wire: Wire
) -> None:
    operation = model.operations()[name]

    for rule, member, sent in inputs.breaking(operation):
        answer = wire.send(inputs.to_http(operation, sent))

        told = answer.json()
        assert (answer.status, answer.headers["x-amzn-errortype"], told["reason"]) == (
            400,
            "ValidationException",
            "FieldValidationFailed",
        ), (rule, member, told)
        assert [found["name"] for found in told["fieldList"]] == [member], (rule, told)
