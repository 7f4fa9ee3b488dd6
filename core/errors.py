"""The refusals that a client may see: one stable code, one HTTP status, one safe sentence.

`aws` is the name under which the wire API reports the error. What AWS calls it decides what
boto3 raises, so every name here exists in botocore's models of `bedrock-agentcore`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


class AppError(Exception):
    """A refusal or failure that the caller is told about.

    `message` may be shown to anybody. `detail` is for the log only, and even there holds no
    token, code, verifier, cookie or response body. `told` is what the trail keeps of it besides.
    """

    code: str = "failed"
    status: int = 500
    aws: str = "InternalServerException"
    message: StrOrPromise = _("Something went wrong on our side.")
    told: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, message: StrOrPromise | None = None, *, detail: str = "") -> None:
        if message is not None:
            self.message = message
        self.detail = detail
        super().__init__(message, detail)

    def __str__(self) -> str:
        """Return what a log line needs: the code and the detail, in no language."""
        return f"{self.code}: {self.detail}" if self.detail else self.code


@dataclass(frozen=True)
class FieldError:
    """One member of a request that breaks a rule; `name` is its dotted path."""

    name: str
    message: StrOrPromise


class InvalidRequest(AppError):
    """The request cannot be understood, or a member of it breaks a rule.

    `reason` is a value of AWS's `ValidationExceptionReason`.
    """

    code = "invalid_request"
    status = 400
    aws = "ValidationException"
    message: StrOrPromise = _("The request is not valid.")

    def __init__(
        self,
        message: StrOrPromise | None = None,
        *,
        detail: str = "",
        fields: tuple[FieldError, ...] = (),
        reason: str = "FieldValidationFailed",
    ) -> None:
        super().__init__(message, detail=detail)
        self.fields = fields
        self.reason = reason


def invalid(field: str, message: StrOrPromise) -> InvalidRequest:
    """Return the refusal of one member of a request, which `field` names by its dotted path."""
    return InvalidRequest(message, fields=(FieldError(field, message),))


def invalid_fields(reasons: Mapping[str, Iterable[str]]) -> InvalidRequest:
    """Return the refusal of several members, each for its reasons."""
    fields = tuple(FieldError(name, " ".join(why)) for name, why in reasons.items())
    return InvalidRequest(" ".join(str(field.message) for field in fields), fields=fields)


class TooLarge(InvalidRequest):
    """The request is larger than this site reads. AWS has no 413: the wire API says 400."""

    code = "too_large"
    status = 413
    message: StrOrPromise = _("The request is too large.")

    def __init__(self, message: StrOrPromise | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, reason="CannotParse")


class Unauthorized(AppError):
    """Nobody in particular asks: credentials are missing, or prove nothing."""

    code = "unauthorized"
    status = 401
    aws = "UnauthorizedException"
    message: StrOrPromise = _("Credentials are missing or not valid.")


class Forbidden(AppError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    aws = "AccessDeniedException"
    message: StrOrPromise = _("You may not do this.")


class NotFound(AppError):
    """It does not exist, or not for this caller."""

    code = "not_found"
    status = 404
    aws = "ResourceNotFoundException"
    message: StrOrPromise = _("There is no such thing here.")


class Conflict(AppError):
    """It cannot be done in the present state, such as creating what already exists."""

    code = "conflict"
    status = 409
    aws = "ConflictException"
    message: StrOrPromise = _("This conflicts with what is already there.")


class Throttled(AppError):
    """Too much was asked at once; the same request may succeed later."""

    code = "throttled"
    status = 429
    aws = "ThrottlingException"
    message: StrOrPromise = _("Too many requests. Try again in a moment.")

    def __init__(
        self, message: StrOrPromise | None = None, *, detail: str = "", retry_after_s: int = 1
    ) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class UpstreamFailed(AppError):
    """The agent or the provider that this site called on the caller's behalf failed."""

    code = "upstream_failed"
    status = 424
    aws = "RuntimeClientError"
    message: StrOrPromise = _("The other side did not answer as it should.")


class Internal(AppError):
    """Something broke here. What it was is in the log, under the request's id."""

    code = "internal"
