"""Waiting for a person's consent: sooner than the SDK does, and not once it is refused.

The SDK's own poller asks every five seconds, writes the authorization URL to the log, and asks on
when the journey has failed. This one asks every second and writes nothing. It shows the URL to
nobody either: the site puts a consent card into the chat as soon as its vault knows.
"""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bedrock_agentcore.runtime import BedrockAgentCoreContext
from bedrock_agentcore.services.identity import IdentityClient, TokenPoller
from botocore.exceptions import ClientError, HTTPClientError

INTERVAL_S = 1.0
# As long as the consent session lives.
TIMEOUT_S = 600.0

# One poller serves every request, so what belongs to one request travels in its context.
_session_uri: ContextVar[str] = ContextVar("session_uri")


class ConsentRefused(Exception):
    """There will be no token: the person denied, or the session expired. Says why."""


class ConsentPoller(TokenPoller):
    """Asks for the token of the consent session that was last noticed in this context.

    Give `notice` to the decorator as `on_auth_url`, and the poller itself as `token_poller`.
    """

    def __init__(
        self,
        identity: IdentityClient,
        *,
        provider_name: str,
        scopes: Sequence[str],
        interval_s: float = INTERVAL_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._identity = identity
        self._asked = {
            "resourceCredentialProviderName": provider_name,
            "scopes": list(scopes),
            "oauth2Flow": "USER_FEDERATION",
        }
        self._interval_s = interval_s
        self._timeout_s = timeout_s

    def notice(self, authorization_url: str) -> None:
        """Remember which consent session `authorization_url` opens.

        The SDK keeps the `sessionUri` of the answer to itself; the URL carries the same value.
        """
        query = parse_qs(urlsplit(authorization_url).query)
        _session_uri.set(query.get("request_uri", [""])[0])

    async def poll_for_token(self) -> str:
        """Return the access token, once the person has consented.

        Raises:
            ConsentRefused: the identity service answered that there will be none.
            TimeoutError: nobody answered in time.
        """
        request = self._asked | {
            "workloadIdentityToken": BedrockAgentCoreContext.get_workload_access_token()
        }
        if session_uri := _session_uri.get(""):
            request["sessionUri"] = session_uri
        if return_url := BedrockAgentCoreContext.get_oauth2_callback_url():
            request["resourceOauth2ReturnUrl"] = return_url

        async with asyncio.timeout(self._timeout_s):
            while True:
                await asyncio.sleep(self._interval_s)
                if token := await self._ask(request):
                    return token

    async def _ask(self, request: dict[str, Any]) -> str | None:
        try:
            # boto3 blocks, and this loop carries the streams of everybody else.
            answer = await asyncio.to_thread(self._identity.get_resource_oauth2_token, **request)
        except HTTPClientError:
            return None
        except ClientError as exc:
            if may_pass(exc):
                return None
            raise ConsentRefused(message_of(exc)) from None
        if answer.get("sessionStatus") == "FAILED":
            raise ConsentRefused("The request for access has failed.")
        token: str | None = answer.get("accessToken")
        return token


def may_pass(exc: ClientError) -> bool:
    """Say whether the same request may succeed later: throttled, or the server's own fault."""
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
    return bool(
        status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def message_of(exc: ClientError) -> str:
    """Return the sentence with which the service refused."""
    return str(exc.response["Error"].get("Message", "")) or "The request was refused."
