"""The token endpoint in OpenAPI: it is no view, so nothing can be read off it."""

from __future__ import annotations

from typing import Any

from vault.token_endpoint.exchange import ACCESS_TOKEN, GRANT_TYPES, JWT, WORKLOAD_TOKEN

_TEXT = {"type": "string"}
_PARAMETERS: dict[str, Any] = {
    "grant_type": {**_TEXT, "enum": GRANT_TYPES},
    "subject_token": {**_TEXT, "description": "What is exchanged (RFC 8693)."},
    "subject_token_type": {**_TEXT, "enum": [WORKLOAD_TOKEN, JWT, ACCESS_TOKEN]},
    "requested_token_type": {**_TEXT, "enum": [WORKLOAD_TOKEN, ACCESS_TOKEN]},
    "audience": {**_TEXT, "description": "The name of the credential provider."},
    "resource": {
        "type": "array",
        "items": {**_TEXT, "format": "uri"},
        "description": "Where the token is to be used (RFC 8707).",
    },
    "scope": {**_TEXT, "description": "Scopes, separated by spaces."},
    "flow": {
        **_TEXT,
        "enum": ["USER_FEDERATION", "M2M", "ON_BEHALF_OF_TOKEN_EXCHANGE"],
        "default": "USER_FEDERATION",
    },
    "session_uri": {**_TEXT, "description": "What an `interaction_required` named: ask again."},
    "redirect_uri": {**_TEXT, "description": "Where a consent ends; without it, at this site."},
    "state": {**_TEXT, "description": "What comes back to `redirect_uri`."},
}
_ERRORS = (
    *("invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "invalid_target", "interaction_required", "authorization_pending"),
    *("access_denied", "expired_token", "temporarily_unavailable", "server_error"),
)
_COUNT = {"type": "integer"}

SCHEMAS: dict[str, Any] = {
    "TokenRequest": {"type": "object", "required": ["grant_type"], "properties": _PARAMETERS},
    "Token": {
        "type": "object",
        "required": ["access_token", "issued_token_type", "token_type"],
        "properties": {
            "access_token": _TEXT,
            "issued_token_type": {**_TEXT, "enum": [WORKLOAD_TOKEN, ACCESS_TOKEN]},
            "token_type": {**_TEXT, "description": "`N_A` for a workload access token."},
            "expires_in": {**_COUNT, "description": "Seconds, where the issuer said so."},
            "scope": {**_TEXT, "description": "What the token is good for."},
        },
    },
    "TokenError": {
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {
            "error": {**_TEXT, "enum": list(_ERRORS)},
            "error_description": _TEXT,
            "authorization_uri": {**_TEXT, "description": "Where the person consents."},
            "session_uri": {**_TEXT, "description": "What to ask again with."},
            "interval": {**_COUNT, "description": "Seconds between attempts."},
        },
    },
}


def _answered(description: str, schema: str) -> dict[str, Any]:
    held = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": description, "content": {"application/json": held}}


OPERATION: dict[str, Any] = {
    "operationId": "token",
    "summary": "Issue a token.",
    "description": "A workload access token, for the client itself or for a person whose JWT it "
    "has, or in exchange for one a provider's access token. The client is an agent's access key.",
    "tags": ["oauth2"],
    "security": [{"client": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"$ref": "#/components/schemas/TokenRequest"}
            }
        },
    },
    "responses": {
        "200": _answered("The token.", "Token"),
        "400": _answered("There is none, or not yet.", "TokenError"),
        "401": _answered("It is no access key that can be used.", "TokenError"),
        "429": _answered("Too many calls from this address proved nothing.", "TokenError"),
    },
}
