"""Runtime sessions: listed and stopped, a person's own, or by an operator's key everybody's."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.keys.callers import Caller
from agents.keys.operations import LIST_SESSIONS, STOP
from agents.sessions import listing
from agents.sessions.at_aws import stop_at_aws
from agents.sessions.listing import Filters, Listed
from agents.sessions.stopping import session_stop
from core.audit import Actor
from core.errors import Forbidden
from core.models import User
from core.secret import Secret
from core.subject import Subject
from portal.api.authentication import AccessKeySignature, IsOperator, IsSignedIn, SignedInSession
from portal.api.grants import UserSerializer
from portal.api.query import PersonsQuery
from portal.models import SignIn
from portal.signins import access_token_for

_PAGE = 50
_STATES = (listing.LIVE, listing.STOPPED, listing.EXPIRED)
_MAX_ID = (1 << 63) - 1


class SessionsQuery(PersonsQuery):
    """Which sessions are listed."""

    state = serializers.ChoiceField(choices=_STATES, required=False, help_text="Without it, all.")
    before = serializers.IntegerField(
        min_value=1, max_value=_MAX_ID, required=False, help_text="`next` of the page before."
    )
    limit = serializers.IntegerField(min_value=1, max_value=100, default=_PAGE)


class SessionSerializer(serializers.Serializer[Listed]):
    """A runtime session. Without `user` it is the workload identity's own, or the operators'."""

    id = serializers.IntegerField()
    session_id = serializers.CharField()
    agent = serializers.CharField()
    agent_name = serializers.CharField()
    endpoint = serializers.CharField()
    user = UserSerializer(allow_null=True)
    workload_identity = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=_STATES)
    started_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    stopped_at = serializers.DateTimeField(allow_null=True)


class SessionsSerializer(serializers.Serializer[Any]):
    """A page of sessions."""

    sessions = SessionSerializer(many=True)
    next = serializers.IntegerField(allow_null=True)


class StoppedSerializer(serializers.Serializer[Any]):
    """A session that is over, and whether it went on until now."""

    id = serializers.IntegerField()
    stopped = serializers.BooleanField()


class SessionsView(APIView):
    """The sessions of a person, or of everybody."""

    authentication_classes = [AccessKeySignature, SignedInSession]
    permission_classes = [IsSignedIn | IsOperator]
    operations = {"GET": LIST_SESSIONS}

    @extend_schema(
        operation_id="sessions",
        tags=["sessions"],
        parameters=[SessionsQuery],
        responses={200: SessionsSerializer},
    )
    def get(self, request: Request) -> Response:
        """List runtime sessions, the newest first: one's own, or for an operator everybody's."""
        asked = SessionsQuery.read(request)
        named = Subject(asked["user_iss"], asked["user_sub"]) if "user_iss" in asked else None
        own = _own(request)
        if own is not None and named not in {None, own}:
            raise Forbidden
        filters = Filters(
            owner=own or named, agent=asked.get("agent", ""), state=asked.get("state", "")
        )
        found, more = listing.page(
            filters, before=asked.get("before"), limit=asked["limit"], at=timezone.now()
        )
        return Response(SessionsSerializer({"sessions": found, "next": more}).data)


class SessionView(APIView):
    """One session."""

    authentication_classes = [AccessKeySignature, SignedInSession]
    permission_classes = [IsSignedIn | IsOperator]
    operations = {"DELETE": STOP}

    @extend_schema(
        operation_id="session_stop", tags=["sessions"], responses={200: StoppedSerializer}
    )
    def delete(self, request: Request, session_id: int) -> Response:
        """Stop one session, and what goes on in it. Somebody else's is not there.

        For an agent on AWS the session there is stopped too.
        """
        session = listing.of_id(session_id, owner=_own(request))
        if isinstance(request.auth, Caller):
            actor, client = request.auth.actor, request.auth.access_key_id
        else:
            actor, client = Actor.person(_person(request)), ""
        stopped = session_stop(session=session, actor=actor, client=client)
        stop_at_aws(session, token_of=lambda: _token(request), actor=actor, client=client)
        return Response(StoppedSerializer({"id": session_id, "stopped": stopped}).data)


def _token(request: Request) -> Secret | None:
    """Return the token of the person who asks; None: it is no person."""
    signin = request.auth
    return access_token_for(signin) if isinstance(signin, SignIn) else None


def _own(request: Request) -> Subject | None:
    """Return whose sessions the caller may see and stop; None: everybody's."""
    return None if isinstance(request.auth, Caller) else _person(request).subject


def _person(request: Request) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (the guard let nobody else through)
    return request.user
