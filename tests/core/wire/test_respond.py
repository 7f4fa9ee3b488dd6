import json
from typing import Any

import pytest
from django.utils.translation import gettext_lazy, override

from core import errors
from core.audit import AuditUnavailable
from core.wire import respond
from core.wire.model import UnknownOperation
from core.wire.sigv4 import Reason, SignatureRefused
from core.wire.write import Written


def failure(error: errors.AppError) -> tuple[int, dict[str, str], dict[str, Any]]:
    response = respond.failure(error, request_id="r1")
    return response.status, dict(response.headers), json.loads(response.body)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (errors.InvalidRequest(), 400, "ValidationException"),
        (errors.TooLarge(), 400, "ValidationException"),
        (errors.Unauthorized(), 401, "UnauthorizedException"),
        (errors.Forbidden(), 403, "AccessDeniedException"),
        (SignatureRefused(Reason.MISMATCH, "No."), 403, "AccessDeniedException"),
        (errors.NotFound(), 404, "ResourceNotFoundException"),
        (UnknownOperation(), 404, "UnknownOperationException"),
        (errors.Conflict(), 409, "ConflictException"),
        (errors.UpstreamFailed(), 424, "RuntimeClientError"),
        (errors.Throttled(), 429, "ThrottlingException"),
        (errors.Internal(), 500, "InternalServerException"),
    ],
)
def test_an_error_has_the_name_and_status_that_aws_gives_it(
    error: errors.AppError, status: int, name: str
) -> None:
    got_status, headers, body = failure(error)

    assert (got_status, headers["x-amzn-errortype"]) == (status, name)
    assert body["message"] == str(error.message)
    assert headers["x-amzn-requestid"] == "r1"
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"


def test_a_503_stays_one_as_nothing_is_wrong_with_the_request() -> None:
    status, headers, _ = failure(AuditUnavailable())

    assert (status, headers["x-amzn-errortype"]) == (503, "InternalServerException")


def test_who_is_to_come_back_is_told_when() -> None:
    assert failure(errors.Throttled(retry_after_s=7))[1]["retry-after"] == "7"
    assert "retry-after" not in failure(errors.Forbidden())[1]


def test_only_a_validation_error_has_a_reason_and_fields() -> None:
    field = errors.FieldError("name", "Member must not be null")
    invalid = errors.InvalidRequest("1 validation error detected", fields=(field,))

    assert failure(invalid)[2] == {
        "message": "1 validation error detected",
        "reason": "FieldValidationFailed",
        "fieldList": [{"name": "name", "message": "Member must not be null"}],
    }
    assert failure(errors.InvalidRequest(reason="CannotParse"))[2].keys() == {"message", "reason"}
    assert failure(errors.NotFound())[2].keys() == {"message"}


def test_the_detail_of_an_error_stays_here() -> None:
    _, headers, body = failure(errors.Forbidden(detail="the log alone"))

    assert "the log alone" not in f"{headers} {body}"


def test_the_wire_speaks_english_whatever_the_site_speaks() -> None:
    with override("ja"):
        translated = gettext_lazy("Password")  # which Django itself has in Japanese
        assert str(translated) != "Password"
        assert failure(errors.Forbidden(translated))[2]["message"] == "Password"


def test_an_answer_has_its_length_and_headers_of_the_operation() -> None:
    response = respond.success(Written({"a": "代"}, {"X-Session": "s"}, 201), request_id="r1")
    headers = dict(response.headers)

    assert response.status == 201
    assert json.loads(response.body) == {"a": "代"}
    assert headers["content-length"] == str(len(response.body))
    assert headers["x-session"] == "s"


def test_an_answer_without_content_has_no_body_and_no_length() -> None:
    response = respond.success(Written({}, {}, 204), request_id="r1")

    assert (response.status, response.body) == (204, b"")
    assert {name for name, _ in response.headers} == {
        *("x-amzn-requestid", "cache-control"),
        *("content-security-policy", "x-content-type-options"),
    }
