"""The OpenAPI document of this site's own API, made of its views and completed by hand.

What it says is the same for everybody, so it is made once.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer

from portal.api import chat_schemas
from vault.token_endpoint import openapi as token_endpoint
from vault.token_endpoint.app import PATH as TOKEN_PATH

_ABOUT = (
    "Errors are a stable code and a sentence for people. The wire API of Amazon Bedrock "
    "AgentCore, which this site speaks as well, is described by AWS's own service models."
)
_ERROR = {
    "type": "object",
    "required": ["error", "message"],
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
}
_REFUSED = {
    "description": "A refusal.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


class _Session(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it has no types
    target_class = "portal.api.authentication.SignedInSession"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return how a person proves who they are."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A person's browser; with X-CSRFToken where something changes.",
        }


class _Signature(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it has no types
    target_class = "portal.api.authentication.AccessKeySignature"
    name = "signature"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return how an operator proves who they are."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "An operator's access key: AWS Signature Version 4, service "
            "bedrock-agentcore.",
        }


def complete(result: dict[str, Any], **about: Any) -> dict[str, Any]:
    """Add what is no view, and the shape of a refusal (a hook of the generator)."""
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = _REFUSED
    result["info"]["description"] = _ABOUT
    result["paths"][TOKEN_PATH] = {"post": token_endpoint.OPERATION}
    components = result["components"]
    components["schemas"] |= {"Error": _ERROR, **chat_schemas.SCHEMAS, **token_endpoint.SCHEMAS}
    components["securitySchemes"]["client"] = {
        "type": "http",
        "scheme": "basic",
        "description": "An agent's access key: its id, and its secret.",
    }
    return result


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    with override("en"):
        made = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return dict(json.loads(OpenApiJsonRenderer().render(made)))
