"""The tour of the first visit: shown once to a person, and again whenever they ask for it."""

from __future__ import annotations

from core.models import User
from portal.models import SeenTour


def is_new_here(user: User) -> bool:
    """Say whether `user` has neither seen the tour nor put it away."""
    return not SeenTour.objects.filter(pk=user.pk).exists()


def tour_seen(user: User) -> None:
    """Show `user` no tour any more that they do not ask for."""
    SeenTour.objects.get_or_create(pk=user.pk)
