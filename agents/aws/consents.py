"""The end of a consent at AWS's own identity service, which asks the site who the person is."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from agents.aws import calls
from agents.aws.errors import AwsRefused, refusal
from core import aws, database
from core.secret import Secret
from core.subject import Subject

_SESSION_URI = re.compile(r"urn:ietf:params:oauth:request_uri:[A-Za-z0-9\-._~]{1,900}")


def is_session(session_uri: str) -> bool:
    """Say whether this could be a consent of AWS's: it says nothing of whose."""
    return _SESSION_URI.fullmatch(session_uri) is not None


def complete(
    *, region: str, session_uri: str, subject: Subject, user_token: Secret | None
) -> AwsRefused | None:
    """Tell AWS that `subject` is who consented, and return why it refuses; None: it is done.

    They are told as the runtime was called for them: by their own token, or without one by the id
    that this site gives them. AWS compares that with for whom the agent asked, so that nobody's
    account is bound to somebody else's session. Keeps no connection to the database meanwhile.
    """
    who: dict[str, Any] = (
        {"userToken": user_token.reveal()} if user_token else {"userId": calls.user_id_of(subject)}
    )
    database.let_go()
    try:
        client = aws.client_in(region, "bedrock-agentcore")
        client.complete_resource_token_auth(userIdentifier=who, sessionUri=session_uri)
    except (BotoCoreError, ClientError) as exc:
        return refusal(exc)
    return None
