"""The consent card: shown in the chat as soon as the vault knows, whatever the agent prints."""

from __future__ import annotations

import logging
from typing import Any

import redis
from django.dispatch import receiver
from django.utils import translation
from django.utils.translation import gettext as _

from portal.models import Run
from portal.runs import stream
from vault.events import consent_changed
from vault.models import ConsentSession
from vault.selectors import ConsentCard, consent_card

log = logging.getLogger(__name__)

_ENDED = {"granted", "denied", "expired", "failed"}


@receiver(consent_changed, dispatch_uid="portal.consent_card")
def consent_show(session: ConsentSession, **kwargs: Any) -> None:
    """Show how a consent session stands in the run that waits for it, if there is one.

    That is the run under way in the conversation whose runtime session the agent was called in, and
    whose person is the one who is asked. What ended without a grant stays with the run, so that the
    page tells it once the card is gone.
    """
    run = (
        Run.objects.filter(
            conversation__runtime_session_id=session.runtime_session_id,
            conversation__user__iss=session.user_iss,
            conversation__user__sub=session.user_sub,
        )
        .order_by("-created_at")
        .first()
    )
    if run is None:
        return
    with translation.override(run.language):
        card = consent_card(session)
        event, sentence = _event_of(card), _sentence(card)
    if card.state in _ENDED:
        Run.objects.filter(pk=run.pk).exclude(status=Run.Status.FAILED).update(notice=sentence)
    if not run.is_active:
        return
    try:
        stream.append_sync(run.pk, "consent", event)
    except redis.RedisError as exc:
        log.warning("consent.not_shown", extra={"run": str(run.pk), "failure": type(exc).__name__})


def _event_of(card: ConsentCard) -> dict[str, Any]:
    return {
        "id": str(card.id),
        "state": card.state,
        "agent": card.agent,
        "provider": card.provider,
        "scopes": [{"name": scope.name, "words": scope.words} for scope in card.scopes],
        "url": card.url,
        "expires_at": card.expires_at.isoformat(),
        "notice": _sentence(card) if card.notice else "",
    }


def _sentence(card: ConsentCard) -> str:
    """Return how the request ended without a grant, as a sentence, or the empty string."""
    names = {"agent": card.agent, "provider": card.provider}
    match card.state:
        case "denied":
            said = _("You did not allow %(agent)s to use %(provider)s. Nothing was connected.")
        case "expired":
            said = _("The request to use %(provider)s has expired. Nothing was connected.")
        case "failed":
            said = _("%(provider)s could not be connected.")
        case _:
            return ""
    return f"{said % names} {card.notice}".strip()
