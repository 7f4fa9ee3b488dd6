"""Calling another agent on behalf of the person who called this one.

Two things go along with each request: a signature with this agent's own access key, and the
workload access token with which this agent was called. The called agent gets a token of its own,
for the same person.
"""

from collections.abc import Callable
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

from demo.agents import settings

SERVICE = "bedrock-agentcore"
WORKLOAD_TOKEN_HEADER = "X-Amz-Bedrock-AgentCore-Identity-WAT"  # noqa: S105 - a header's name
# A person may take minutes to consent, and the stream is silent meanwhile.
PATIENCE_S = 600.0

Sign = Callable[[Any], Any]


def on_behalf_of(workload_token: str | None) -> Sign:
    """Return the `auth` of an HTTP client (httpx or httpx2) that signs each of its requests.

    Raises:
        NoCredentialsError: this agent has no access key.
    """
    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise NoCredentialsError
    signer = SigV4Auth(credentials, SERVICE, settings.required("AWS_REGION"))

    def sign(request: Any) -> Any:
        told = {WORKLOAD_TOKEN_HEADER: workload_token} if workload_token else {}
        signed = AWSRequest(request.method, str(request.url), headers=told, data=request.content)
        signer.add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request

    return sign
