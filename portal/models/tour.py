"""Who was shown around."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SeenTour(models.Model):
    """A person who saw the tour of the first visit, or put it away: with whichever browser."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("tour seen")
        verbose_name_plural = _("tours seen")

    def __str__(self) -> str:
        return str(self.pk)
