"""Calls of the wire API that were answered, for whoever sends one again."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents.models.policies import ARN_CHARS


class AnsweredCall(models.Model):
    """What a call with a client token was answered: the same call is answered the same.

    It goes with the resource that it made or changed, so that nobody is told of one that is gone.
    """

    operation = models.CharField(max_length=64)
    client_token = models.CharField(max_length=256)
    asked_sha256 = models.BinaryField()
    answer = models.JSONField()
    resource_arn = models.CharField(max_length=ARN_CHARS, blank=True, db_index=True)
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "client_token"], name="agents_one_answer_for_a_client_token"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.client_token}"
