"""Grants: what workload identities hold, listed and taken back.

A person sees and ends their own, by the browser's session, whoever they are: what admins may do to
others' is on the admin site. An operator's access key sees and ends everybody's.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.keys.callers import Caller
from agents.keys.operations import LIST_GRANTS, REVOKE_GRANTS
from core.audit import Actor
from core.errors import Forbidden
from core.models import User
from core.subject import Subject
from portal.api.authentication import (
    AccessKeySignature,
    IsOperator,
    IsSignedIn,
    SignedInSession,
)
from portal.api.query import PersonsQuery
from vault.grants.attention import Trouble
from vault.holdings import listing
from vault.holdings.listing import EXCHANGED, GRANTED, OWN, Filters
from vault.holdings.selectors import grant_of
from vault.holdings.taking_back import holding_revoke, holdings_revoke
from vault.models import Grant, Outcome

_PAGE = 50


class _Query(PersonsQuery):
    """Parameters by which grants are named."""

    workload_identity = serializers.CharField(required=False, max_length=255, help_text="Its name.")
    provider = serializers.CharField(
        required=False, max_length=128, help_text="A credential provider's name."
    )


class GrantsQuery(_Query):
    """Which grants are listed."""

    state = serializers.ChoiceField(
        choices=Grant.State.choices, required=False, help_text="Without it, all that are not over."
    )
    after = serializers.UUIDField(required=False, help_text="`next` of the page before.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=_PAGE)


class RevocationQuery(_Query):
    """Which grants are taken back: at least one parameter says so."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse to take back everything of everybody."""
        if not attrs:
            raise serializers.ValidationError("Say whose grants, by one parameter at least.")
        return super().validate(attrs)


class UserSerializer(serializers.Serializer[Subject]):
    """A person."""

    iss = serializers.CharField()
    sub = serializers.CharField()


class ScopeSerializer(serializers.Serializer[Any]):
    """A scope, and what it means where somebody wrote that down."""

    name = serializers.CharField()
    words = serializers.CharField()


class AttentionSerializer(serializers.Serializer[Any]):
    """Why somebody has to look at it."""

    code = serializers.ChoiceField(choices=[trouble.value for trouble in Trouble])
    message = serializers.CharField()
    last_failure = serializers.CharField()


class EndingSerializer(serializers.Serializer[Any]):
    """How it ended, here and at the provider."""

    at = serializers.DateTimeField()
    by = serializers.ChoiceField(choices=["person", "administrator"])
    outcome = serializers.ChoiceField(choices=Outcome.values)


class GrantSerializer(serializers.Serializer[listing.Holding]):
    """What a workload identity holds. Never a token."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[GRANTED, EXCHANGED, OWN])
    user = UserSerializer(allow_null=True)
    agent = serializers.CharField()
    agent_name = serializers.CharField()
    workload_identity = serializers.CharField()
    provider = serializers.CharField()
    provider_name = serializers.CharField()
    vendor = serializers.CharField()
    scopes = ScopeSerializer(many=True)
    resources = serializers.ListField(child=serializers.CharField())
    audiences = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=Grant.State.values)
    attention = AttentionSerializer(allow_null=True)
    granted_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    access_expires_at = serializers.DateTimeField(allow_null=True)
    next_refresh_at = serializers.DateTimeField(allow_null=True)
    ending = EndingSerializer(allow_null=True)


class GrantsSerializer(serializers.Serializer[Any]):
    """A page of grants."""

    grants = GrantSerializer(many=True)
    next = serializers.UUIDField(allow_null=True)


class RevokedSerializer(serializers.Serializer[Any]):
    """A grant that is over here, and what came of it at the provider."""

    id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=Outcome.values)


class RevocationsSerializer(serializers.Serializer[Any]):
    """Grants that are over; `more` says to ask again."""

    revoked = RevokedSerializer(many=True)
    outcomes = serializers.DictField(child=serializers.IntegerField())
    more = serializers.BooleanField()


class GrantsView(APIView):
    """The grants of a person, or of everybody."""

    authentication_classes = [AccessKeySignature, SignedInSession]
    permission_classes = [IsSignedIn | IsOperator]
    operations = {"GET": LIST_GRANTS, "DELETE": REVOKE_GRANTS}

    @extend_schema(
        operation_id="grants",
        tags=["grants"],
        parameters=[GrantsQuery],
        responses={200: GrantsSerializer},
    )
    def get(self, request: Request) -> Response:
        """List grants, in the order of their ids: one's own, or for an operator everybody's."""
        asked = GrantsQuery.read(request)
        found, more = listing.page(
            _filters(request, asked), after=asked.get("after"), limit=asked["limit"]
        )
        return Response(GrantsSerializer({"grants": found, "next": more}).data)

    @extend_schema(
        operation_id="grants_revoke",
        tags=["grants"],
        auth=[{"signature": []}],  # type: ignore[list-item]  # it goes in as it is
        parameters=[RevocationQuery],
        responses={200: RevocationsSerializer},
    )
    def delete(self, request: Request) -> Response:
        """Take back up to a hundred grants at once. For operators."""
        if not isinstance(request.auth, Caller):
            raise Forbidden
        asked = RevocationQuery.read(request)
        taken, more = holdings_revoke(filters=_filters(request, asked), actor=_actor(request))
        named = [one.outcome for one in taken]
        counted = {outcome: named.count(outcome) for outcome in sorted(set(named))}
        told = {"revoked": taken, "outcomes": counted, "more": more}
        return Response(RevocationsSerializer(told).data)


class GrantView(APIView):
    """One grant."""

    authentication_classes = [AccessKeySignature, SignedInSession]
    permission_classes = [IsSignedIn | IsOperator]
    operations = {"DELETE": REVOKE_GRANTS}

    @extend_schema(operation_id="grant_revoke", tags=["grants"], responses={200: RevokedSerializer})
    def delete(self, request: Request, grant_id: UUID) -> Response:
        """Take one grant back. Somebody else's is not there."""
        if isinstance(request.auth, Caller):
            row = listing.of_id(grant_id)
        else:
            row = grant_of(_person(request).subject, grant_id)
        revoked = holding_revoke(row=row, actor=_actor(request))
        return Response(RevokedSerializer({"id": grant_id, "outcome": revoked.outcome}).data)


def _filters(request: Request, asked: dict[str, Any]) -> Filters:
    names = {"agent", "workload_identity", "provider", "state"} & asked.keys()
    chosen = {name: asked[name] for name in names}
    subject = Subject(asked["user_iss"], asked["user_sub"]) if "user_iss" in asked else None
    if not isinstance(request.auth, Caller):
        own = _person(request).subject
        if subject not in {None, own}:
            raise Forbidden
        subject = own
    return Filters(subject=subject, **chosen)


def _actor(request: Request) -> Actor:
    if isinstance(request.auth, Caller):
        return request.auth.actor
    return Actor.person(_person(request))


def _person(request: Request) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (the guard let nobody else through)
    return request.user
