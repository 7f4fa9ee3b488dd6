import pytest
from botocore.loaders import Loader

from core import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.AppError) and kind is not errors.AppError
]


def modelled_status(name: str) -> int:
    shapes = Loader().load_service_model("bedrock-agentcore", "service-2")["shapes"]
    status = shapes[name]["error"]["httpStatusCode"]
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_code_of_its_own_and_a_message(kind: type[errors.AppError]) -> None:
    assert [other.code for other in KINDS].count(kind.code) == 1
    assert str(kind().message)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_the_name_and_status_that_aws_gives_it(
    kind: type[errors.AppError],
) -> None:
    # AWS has no 413: a request too large is a ValidationException there.
    expected = 400 if kind is errors.TooLarge else kind.status

    assert modelled_status(kind.aws) == expected


def test_a_message_of_its_own_replaces_that_of_the_class() -> None:
    assert str(errors.NotFound("No agent by that name.").message) == "No agent by that name."


def test_the_log_line_has_the_detail_and_the_message_has_not() -> None:
    error = errors.Forbidden(detail="key AKIA1 is bound to another workload")

    assert str(error) == "forbidden: key AKIA1 is bound to another workload"
    assert "AKIA1" not in str(error.message)
    assert str(errors.Forbidden()) == "forbidden"


def test_an_invalid_request_names_its_fields_and_reason() -> None:
    field = errors.FieldError("name", "Member must not be null")

    assert errors.InvalidRequest(fields=(field,)).fields == (field,)
    assert errors.InvalidRequest().reason == "FieldValidationFailed"
    assert errors.InvalidRequest(reason="CannotParse").reason == "CannotParse"


def test_a_request_too_large_is_one_that_cannot_be_parsed() -> None:
    assert errors.TooLarge().reason == "CannotParse"
    assert errors.TooLarge().fields == ()
