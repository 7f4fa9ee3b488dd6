"""Agents, conversations, messages and runs as JSON."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import redis
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from portal import conversations, feedback, keeping, selectors
from portal.api.authentication import IsSignedIn, SignedInRequest, SignedInSession
from portal.api.chat_schemas import many, one
from portal.api.parsers import JSONParser
from portal.api.query import Query
from portal.api.shapes import (
    agent_shape,
    agents_shape,
    conversation_shape,
    run_shape,
    spoken_shape,
)
from portal.errors import AnswerNotPossible, StopNotPossible
from portal.models import Feedback
from portal.runs import approvals, forms
from vault.flows import consent


class PersonsView(APIView):
    """Answers people who are signed in, with their own things."""

    parser_classes = [JSONParser]
    authentication_classes = [SignedInSession]
    permission_classes = [IsSignedIn]


class AgentsView(PersonsView):
    """The agents that the person may use."""

    @extend_schema(operation_id="agents", tags=["chat"], responses={200: many("Agent")})
    def get(self, request: SignedInRequest) -> Response:
        """List the agents that the person may use."""
        return Response(agents_shape(selectors.agents_for(request.user), request.user))


class ConversationsView(PersonsView):
    """The person's conversations."""

    @extend_schema_serializer(component_name="ConversationRequest")
    class InputSerializer(serializers.Serializer[dict[str, str]]):
        agent = serializers.CharField(max_length=64)

    class Search(Query):
        words = serializers.CharField(
            required=False,
            max_length=200,
            help_text="Words, each of which stands in the title, the agent's name or a message.",
        )

    @extend_schema(
        operation_id="conversations",
        tags=["chat"],
        parameters=[Search],
        responses={200: many("Conversation")},
    )
    def get(self, request: SignedInRequest) -> Response:
        """List the person's conversations: pinned ones first, then the newest."""
        found = selectors.conversations_of(request.user, **self.Search.read(request))
        return Response([conversation_shape(conversation) for conversation in found])

    @extend_schema(
        operation_id="conversation_begin",
        tags=["chat"],
        request=InputSerializer,
        responses={201: one("ConversationBegun")},
    )
    def post(self, request: SignedInRequest) -> Response:
        """Begin a conversation."""
        asked = self.InputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        agent = selectors.agent_for(request.user, agent_id=asked.validated_data["agent"])
        begun = conversations.conversation_begin(user=request.user, agent=agent)
        body = {"id": begun.pk, "url": begun.get_absolute_url()}
        return Response(body, status=status.HTTP_201_CREATED)


class ConversationView(PersonsView):
    """One conversation."""

    @extend_schema(operation_id="conversation", tags=["chat"], responses={200: one("Thread")})
    def get(self, request: SignedInRequest, conversation_id: UUID) -> Response:
        """Return what was said in a conversation, and the run that goes on."""
        found = selectors.conversation_of(request.user, conversation_id=conversation_id)
        active = selectors.active_run_of(found)
        return Response(
            {
                "id": found.pk,
                "title": found.title,
                "agent": agent_shape(found.agent, request.user),
                "messages": [spoken_shape(spoken) for spoken in selectors.thread_of(found)],
                "active_run": active.pk if active else None,
            }
        )

    @extend_schema_serializer(component_name="ConversationChange")
    class ChangeSerializer(serializers.Serializer[dict[str, Any]]):
        title = serializers.CharField(required=False, allow_blank=True)
        pinned = serializers.BooleanField(required=False)

    @extend_schema(
        operation_id="conversation_change",
        tags=["chat"],
        request=ChangeSerializer,
        responses={200: one("Conversation")},
    )
    def patch(self, request: SignedInRequest, conversation_id: UUID) -> Response:
        """Name a conversation, or keep it at the top of the list."""
        asked = self.ChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = selectors.conversation_of(request.user, conversation_id=conversation_id)
        if "title" in asked.validated_data:
            keeping.conversation_rename(conversation=found, title=asked.validated_data["title"])
        if "pinned" in asked.validated_data:
            keeping.conversation_pin(conversation=found, pinned=asked.validated_data["pinned"])
        return Response(conversation_shape(found))

    @extend_schema(
        operation_id="conversation_delete",
        tags=["chat"],
        responses={204: OpenApiResponse(description="It is gone; for a while it can be restored.")},
    )
    def delete(self, request: SignedInRequest, conversation_id: UUID) -> Response:
        """Delete a conversation, and stop its answer."""
        found = selectors.conversation_of(request.user, conversation_id=conversation_id)
        keeping.conversation_delete(conversation=found)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConversationRestoreView(PersonsView):
    """Takes a deletion back."""

    @extend_schema(
        operation_id="conversation_restore",
        tags=["chat"],
        request=None,
        responses={200: one("Conversation")},
    )
    def post(self, request: SignedInRequest, conversation_id: UUID) -> Response:
        """Bring back a conversation that was deleted at most ten minutes ago."""
        found = selectors.conversation_of(
            request.user, conversation_id=conversation_id, deleted=True
        )
        keeping.conversation_restore(conversation=found)
        return Response(conversation_shape(found))


class MessagesView(PersonsView):
    """What a person says in a conversation."""

    @extend_schema_serializer(component_name="MessageRequest")
    class InputSerializer(serializers.Serializer[dict[str, Any]]):
        text = serializers.CharField(allow_blank=True, trim_whitespace=False)
        client_key = serializers.UUIDField()

    @extend_schema_serializer(component_name="MessageWithFilesRequest")
    class WithFilesSerializer(InputSerializer):
        attachments = serializers.ListField(
            child=serializers.UUIDField(), required=False, max_length=100
        )

    @extend_schema(
        operation_id="message_send",
        tags=["chat"],
        request=WithFilesSerializer,
        responses={201: one("MessageSent")},
    )
    def post(self, request: SignedInRequest, conversation_id: UUID) -> Response:
        """Take a message, and begin to answer it."""
        asked = self.WithFilesSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        sent = conversations.message_send(
            signin=request.auth,
            conversation=selectors.conversation_of(request.user, conversation_id=conversation_id),
            **asked.validated_data,
        )
        body = {
            "message": spoken_shape(selectors.Spoken(sent.message, None)),
            "run": run_shape(sent.run),
        }
        return Response(body, status=status.HTTP_201_CREATED)


class MessageEditView(PersonsView):
    """Asks a question in other words."""

    @extend_schema(
        operation_id="message_edit",
        tags=["chat"],
        request=MessagesView.InputSerializer,
        responses={201: one("ConversationBegun")},
    )
    def post(self, request: SignedInRequest, message_id: UUID) -> Response:
        """Begin a branch of the conversation with the question in other words, and answer it."""
        asked = MessagesView.InputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        sent = conversations.message_edit(
            signin=request.auth,
            message=selectors.question_of(request.user, message_id=message_id),
            **asked.validated_data,
        )
        made = sent.message.conversation
        return Response(
            {"id": made.pk, "url": made.get_absolute_url()}, status=status.HTTP_201_CREATED
        )


class RunStopView(PersonsView):
    """Stops an answer that is being made."""

    @extend_schema(
        operation_id="run_stop",
        tags=["chat"],
        request=None,
        responses={202: OpenApiResponse(description="It is asked to stop.")},
    )
    def post(self, request: SignedInRequest, run_id: UUID) -> Response:
        """Ask that an answer stops, which it does within a second."""
        run = selectors.run_of(request.user, run_id=run_id)
        try:
            conversations.run_stop(run=run)
        except redis.RedisError as exc:
            raise StopNotPossible(detail=type(exc).__name__) from None
        return Response({}, status=status.HTTP_202_ACCEPTED)


class RunRetryView(PersonsView):
    """Asks for the last answer once more."""

    @extend_schema(
        operation_id="run_retry", tags=["chat"], request=None, responses={201: one("RunBegun")}
    )
    def post(self, request: SignedInRequest, run_id: UUID) -> Response:
        """Answer the last question once more."""
        run = selectors.run_of(request.user, run_id=run_id)
        again = conversations.run_retry(signin=request.auth, run=run)
        return Response({"run": run_shape(again)}, status=status.HTTP_201_CREATED)


class RunApprovalView(PersonsView):
    """Answers what an agent asks before it goes on."""

    @extend_schema_serializer(component_name="ApprovalRequest")
    class InputSerializer(serializers.Serializer[dict[str, Any]]):
        approve = serializers.BooleanField()
        values = serializers.ListField(
            child=serializers.CharField(
                allow_blank=True, trim_whitespace=False, max_length=forms.MAX_TEXT_CHARS
            ),
            max_length=forms.MAX_FIELDS,
            required=False,
            default=list,
        )

    @extend_schema(
        operation_id="run_approval",
        tags=["chat"],
        request=InputSerializer,
        responses={200: OpenApiResponse(description="The agent is told, with all it asked.")},
    )
    def post(self, request: SignedInRequest, run_id: UUID, approval_id: UUID) -> Response:
        """Say yes, with what was filled in, or no. What was answered is not answered again."""
        asked = self.InputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = selectors.run_of(request.user, run_id=run_id)
        try:
            approvals.approval_answer(run=run, approval_id=approval_id, **asked.validated_data)
        except redis.RedisError as exc:
            raise AnswerNotPossible(detail=type(exc).__name__) from None
        return Response({})


class ConsentDeclineView(PersonsView):
    """A person's no to what an agent asks for, without a way to the service."""

    @extend_schema(
        operation_id="consent_decline",
        tags=["chat"],
        request=None,
        responses={200: OpenApiResponse(description="The agent is told; nothing was connected.")},
    )
    def post(self, request: SignedInRequest, consent_id: UUID) -> Response:
        """Decline a request for consent that waits. Its link leads nowhere any more."""
        consent.decline(session_id=consent_id, subject=request.user.subject)
        return Response({})


class RunFeedbackView(PersonsView):
    """What the person thinks of an answer."""

    @extend_schema_serializer(component_name="FeedbackRequest")
    class InputSerializer(serializers.Serializer[dict[str, str]]):
        verdict = serializers.ChoiceField(choices=Feedback.Verdict.values)
        words = serializers.CharField(required=False, allow_blank=True)

    @extend_schema(
        operation_id="run_feedback",
        tags=["chat"],
        request=InputSerializer,
        responses={200: one("Feedback")},
    )
    def put(self, request: SignedInRequest, run_id: UUID) -> Response:
        """Say whether an answer that is over was good or bad, and of a bad one what was wrong."""
        asked = self.InputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = selectors.run_of(request.user, run_id=run_id)
        given = feedback.feedback_give(run=run, **asked.validated_data)
        return Response(feedback.feedback_shape(given))

    @extend_schema(
        operation_id="run_feedback_withdraw",
        tags=["chat"],
        responses={204: OpenApiResponse(description="Nothing is kept of it.")},
    )
    def delete(self, request: SignedInRequest, run_id: UUID) -> Response:
        """Take back what was said of an answer."""
        feedback.feedback_withdraw(run=selectors.run_of(request.user, run_id=run_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
