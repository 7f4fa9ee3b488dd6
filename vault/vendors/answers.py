"""How some vendors answer a token request, brought into the shape of RFC 6749 section 5.1."""

from __future__ import annotations

from collections.abc import Mapping

from core.dialect import Body


def slack(body: Body) -> Body:
    """Return the person's own token, which stands under `authed_user`.

    The app's bot token, which stands where others have the person's, is not theirs and is left
    alone. A refresh answers flat, and tells the token's kind where others say "Bearer".
    https://docs.slack.dev/reference/methods/oauth.v2.access
    """
    person = body.get("authed_user")
    found = person if isinstance(person, Mapping) else body
    is_persons = found.get("token_type") == "user"
    return {**found, "token_type": "Bearer"} if is_persons else {}
