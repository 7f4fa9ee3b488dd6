"""What AWS refuses, in words for whoever runs this site."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    PartialCredentialsError,
)
from django.utils.translation import gettext as _

from core import aws
from core.errors import AppError

_MAX_MESSAGE_CHARS = 500


class AwsRefused(AppError):
    """AWS was asked and did not do it, or could not be asked. The message is for operators."""

    code = "aws_refused"
    status = 502

    def __init__(self, message: str, *, because: str, passes: bool = False) -> None:
        super().__init__(message, detail=because)
        self.because = because  # AWS's own code, or the kind of failure to reach it
        self.passes = passes  # the same may be answered later, with nobody changing anything


def refusal(error: BotoCoreError | ClientError) -> AwsRefused:
    """Return `error` as a refusal with a sentence that says what to do.

    Of the library's own errors only the kind is told: their texts may hold what was sent.
    """
    because, passes = aws.error_code(error), aws.is_transient(error)
    if isinstance(error, ClientError):
        told = {
            "operation": error.operation_name,
            "code": because,
            "said": str(error.response.get("Error", {}).get("Message", ""))[:_MAX_MESSAGE_CHARS],
        }
        words = _("AWS refuses %(operation)s: %(code)s. %(said)s")
        return AwsRefused(words % told, because=because, passes=passes)
    return AwsRefused(_words(error) % {"kind": because}, because=because, passes=passes)


def _words(error: BotoCoreError) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return _(
            "There are no AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
            "AWS_PROFILE, or run this where AWS gives the process a role."
        )
    if isinstance(error, InvalidRegionError):
        return _("This is no region of AWS. Set AWS_REGION, or name a region, such as us-east-1.")
    if isinstance(error, EndpointConnectionError | HTTPClientError):
        return _("AWS does not answer (%(kind)s). Is the region one that has this service?")
    return _("AWS cannot be asked (%(kind)s).")
