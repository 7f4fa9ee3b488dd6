"""Parameters of a request to a token endpoint: the flow's own, and those that an agent adds."""

from __future__ import annotations

from collections.abc import Mapping

from core.http import Form
from vault.asked import authorize_params
from vault.asked.wanted import Wanted

# What decides who asks, by which right, and for what: never an agent's to set, whatever the flow.
_FLOWS_OWN = frozenset(
    (
        *("grant_type", "scope", "resource", "audience"),
        *("client_id", "client_secret", "client_assertion", "client_assertion_type"),
        *("code", "code_verifier", "redirect_uri", "refresh_token", "device_code", "auth_req_id"),
        *("username", "password", "assertion"),
        *("subject_token", "subject_token_type", "actor_token", "actor_token_type"),
        *("requested_token_type",),
    )
)


def form_for(grant: Mapping[str, str], *, wanted: Wanted) -> Form:
    """Return the form of one request by the right of `grant`, with all that is wanted.

    `resource` as RFC 8707 section 2.2, `audience` as RFC 8693 section 2.1; both may repeat. The
    wire API's custom parameters never override: what tries to is left out.
    """
    caller = {
        name: value.reveal()
        for name, value in wanted.custom_parameters.items()
        if authorize_params.plain(name) not in _FLOWS_OWN | authorize_params.RESERVED.keys()
    }
    asked: dict[str, str | list[str]] = {
        "scope": " ".join(wanted.scopes),
        "resource": list(wanted.resources),
        "audience": list(wanted.audiences),
    }
    given = {name: value for name, value in asked.items() if value}
    return {**caller, **given, **grant}
