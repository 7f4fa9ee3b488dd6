"""Rows that belong to three parties: a workload identity, a person and a provider."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models

from core.subject import Subject

_Row = TypeVar("_Row", bound=models.Model)


class RowsOfParties(models.QuerySet[_Row]):
    """Rows, by whose they are."""

    def of(self, subject: Subject) -> Self:
        """Return those of a person."""
        return self.filter(user_iss=subject.iss, user_sub=subject.sub)

    def with_parties(self) -> Self:
        """Return the same, each with its workload identity, its agent and its provider."""
        return self.select_related("workload_identity__agent", "provider")
