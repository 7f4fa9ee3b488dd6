"""Parameters in the query of the site's API: each once, and none that would count for nothing."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.errors import invalid


class Query(serializers.Serializer[dict[str, Any]]):
    """The parameters of a request."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return what the query asks for. Raises ValidationError, InvalidRequest."""
        query = request.query_params
        for name, values in query.lists():
            if name not in cls().fields:
                raise invalid(name, f"The parameter {name!r} is not one that this request takes.")
            if len(values) > 1:
                raise invalid(name, f"The parameter {name!r} stands twice.")
        asked = cls(data=query.dict())
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)


class PersonsQuery(Query):
    """The parameters of a request in which an operator may name a person, and an agent."""

    user_iss = serializers.CharField(required=False, max_length=512, help_text="A person's issuer.")
    user_sub = serializers.CharField(required=False, max_length=255, help_text="Their subject.")
    agent = serializers.CharField(required=False, max_length=64, help_text="An agent's id.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse half of a person."""
        if ("user_iss" in attrs) != ("user_sub" in attrs):
            raise serializers.ValidationError("A person is a user_iss and a user_sub.")
        return attrs
