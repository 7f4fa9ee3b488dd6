"""The end of a session of a runtime at AWS, asked for in the way in which the runtime is called."""

from __future__ import annotations

import json
import uuid

from botocore.exceptions import BotoCoreError, ClientError
from django.utils.translation import gettext as _

from agents.aws import calls, places
from agents.aws.calls import NoPersonsToken
from agents.aws.errors import AwsRefused, refusal
from agents.aws.places import Place
from core import aws, http
from core.secret import Secret

# A session that AWS does not know is over; so it says by its clients, and over HTTPS.
_UNKNOWN, _UNKNOWN_STATUS = "ResourceNotFoundException", 404
_SERVER_ERROR = 500


def stop(place: Place, *, called_with: str, session_id: str, user_token: Secret | None) -> None:
    """End the session that AWS has under `session_id`; one that it does not know is over.

    Raises:
        NoPersonsToken: the runtime takes a person's token, and there is none; nothing was sent.
        AwsRefused: AWS does not do it, or does not answer.
    """
    if called_with == places.BEARER:
        if user_token is None:
            raise NoPersonsToken
        _stop_with(user_token, place, session_id)
        return
    try:
        client = aws.client_in(place.region, places.SERVICE)
        client.stop_runtime_session(
            agentRuntimeArn=place.runtime_arn,
            qualifier=place.qualifier,
            runtimeSessionId=session_id,
        )
    except (BotoCoreError, ClientError) as exc:
        if aws.error_code(exc) != _UNKNOWN:
            raise refusal(exc) from exc


def _stop_with(token: Secret, place: Place, session_id: str) -> None:
    """Ask over HTTPS: such a runtime takes no signature for this either."""
    try:
        answer = http.fetch_sync(
            "POST",
            calls.stop_url_of(place),
            headers={
                "Authorization": f"Bearer {token.reveal()}",
                "Content-Type": "application/json",
                calls.SESSION: session_id,
            },
            content=json.dumps({"clientToken": str(uuid.uuid4())}).encode(),
        )
    except http.HttpError as exc:
        words = _("AWS does not answer (%(kind)s). Is the region one that has this service?")
        kind = type(exc).__name__
        raise AwsRefused(words % {"kind": kind}, because=kind, passes=True) from None
    # A runtime that takes tokens says in JSON-RPC's words what is wrong with one.
    if answer.status not in {http.OK, _UNKNOWN_STATUS}:
        raise AwsRefused(
            _("AWS refuses StopRuntimeSession with the status %(status)d.")
            % {"status": answer.status},
            because=f"status {answer.status}",
            passes=answer.status >= _SERVER_ERROR,
        )
