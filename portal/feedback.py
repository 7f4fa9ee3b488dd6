"""What a person thinks of an answer: said, changed, taken back. Only they read it."""

from __future__ import annotations

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


def feedback_withdraw(*, run: Run) -> None:
    """Forget what its person thinks of the answer of `run`, if they said so."""
    Feedback.objects.filter(run=run).delete()


def feedback_shape(feedback: Feedback | None) -> dict[str, str] | None:
    """Return it as JSON has it, for pages, programs and files alike."""
    return {"verdict": feedback.verdict, "words": feedback.words} if feedback else None
