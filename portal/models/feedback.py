"""What people think of answers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.chat import Run


class Feedback(models.Model):
    """What the person of a conversation thinks of one answer in it. It goes with the answer."""

    WORDS_CHARS = 500

    class Verdict(models.TextChoices):
        GOOD = "good", _("Good answer")
        BAD = "bad", _("Bad answer")

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="feedback")
    verdict = models.CharField(max_length=4, choices=Verdict)
    # What was wrong, if they said so.
    words = models.CharField(max_length=WORDS_CHARS, blank=True)
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="good", words="") | Q(verdict="bad"),
                name="portal_only_bad_answers_have_words",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
