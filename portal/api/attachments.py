"""Files that a person attaches, as calls of their browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.response import Response

from portal import attachments, selectors
from portal.api.authentication import SignedInRequest
from portal.api.chat_schemas import one
from portal.api.query import Query
from portal.api.views import PersonsView


class _Octets(BaseParser):
    """Takes a body as it is, as `content`."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Mapping[str, bytes]:
        """Return the body, whose size `portal.pages` has bounded."""
        return {"content": stream.read()}


class AttachmentsView(PersonsView):
    """Files that wait to be sent."""

    parser_classes = [_Octets]

    class Asked(Query):
        agent = serializers.CharField(max_length=64, help_text="The agent that it is for.")
        name = serializers.CharField(max_length=1000, help_text="What the file is called.")

    @extend_schema(
        operation_id="attachment_take",
        tags=["chat"],
        parameters=[Asked],
        request={"application/octet-stream": {"type": "string", "format": "binary"}},
        responses={201: one("Attachment")},
    )
    def post(self, request: SignedInRequest) -> Response:
        """Take a file for an agent, to be sent with a message within a day."""
        asked = self.Asked.read(request)
        taken = attachments.attachment_take(
            user=request.user,
            agent=selectors.agent_for(request.user, agent_id=asked["agent"]),
            name=asked["name"],
            # A request without a body is parsed by nobody.
            content=cast("Mapping[str, bytes]", request.data).get("content", b""),
        )
        return Response(attachments.attachment_shape(taken), status=status.HTTP_201_CREATED)


class AttachmentView(PersonsView):
    """One file that waits to be sent."""

    @extend_schema(
        operation_id="attachment_drop",
        tags=["chat"],
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: SignedInRequest, attachment_id: UUID) -> Response:
        """Forget a file that was not sent."""
        attachments.attachment_drop(user=request.user, attachment_id=attachment_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
