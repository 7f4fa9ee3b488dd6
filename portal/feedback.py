"""What a person thinks of an answer: said, changed, taken back. Only they read what they wrote.

Admins are told how many answers of an agent were good and bad, once several people have said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.errors import AnswerUnderWay, FeedbackRefused
from portal.models import Feedback, Run


def feedback_give(*, run: Run, verdict: str, words: str = "") -> Feedback:
    """Keep what its person thinks of the answer of `run`, in the place of what they said before.

    Raises:
        AnswerUnderWay: there is no whole answer yet.
        FeedbackRefused: the words are too long, or are about a good answer.
    """
    if run.is_active:
        raise AnswerUnderWay
    words = words.strip()
    if len(words) > Feedback.WORDS_CHARS:
        raise FeedbackRefused(
            _("What you wrote is too long: %(size)d of at most %(most)d characters.")
            % {"size": len(words), "most": Feedback.WORDS_CHARS}
        )
    if words and verdict != Feedback.Verdict.BAD:
        raise FeedbackRefused(_("Only of a bad answer can you say what was wrong."))
    given, _created = Feedback.objects.update_or_create(
        run=run, defaults={"verdict": verdict, "words": words, "given_at": timezone.now()}
    )
    return given


# With fewer, a number would say what one person thought. With few it can still be guessed, by
# whoever knows who asked and looks often: it is a count, and no secret ballot.
_FEWEST_PEOPLE = 3


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many answers of an agent were called good, and bad."""

    agent_pk: int
    good: int
    bad: int


def verdicts(*, since: datetime, until: datetime) -> list[Verdicts]:
    """Return what people thought in a time, by agent, that with the most bad answers first.

    Agents that fewer than three people judged are left out. Words are not looked at.
    """
    given = Feedback.objects.filter(given_at__gte=since, given_at__lt=until)
    counted = (
        given.values(agent=F("run__conversation__agent"))
        .annotate(
            people=Count("run__conversation__user", distinct=True),
            good=Count("pk", filter=Q(verdict=Feedback.Verdict.GOOD)),
            bad=Count("pk", filter=Q(verdict=Feedback.Verdict.BAD)),
        )
        .filter(people__gte=_FEWEST_PEOPLE)
        .order_by("-bad", "-good", "agent")
    )
    return [Verdicts(one["agent"], one["good"], one["bad"]) for one in counted]


def feedback_withdraw(*, run: Run) -> None:
    """Forget what its person thinks of the answer of `run`, if they said so."""
    Feedback.objects.filter(run=run).delete()


def feedback_shape(feedback: Feedback | None) -> dict[str, str] | None:
    """Return it as JSON has it, for pages, programs and files alike."""
    return {"verdict": feedback.verdict, "words": feedback.words} if feedback else None
