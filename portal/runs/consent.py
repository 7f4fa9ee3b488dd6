"""The consent card: shown in the chat as soon as the vault knows, whatever the agent prints."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any
from uuid import UUID

import redis
from django.dispatch import receiver
from django.utils import translation
from django.utils.translation import gettext as _

from core.crypto import Binding, KeyMissing, SealBroken, open_sealed, seal
from portal.models import Run
from portal.runs import stream
from vault.events import consent_changed
from vault.models import ConsentSession
from vault.selectors import ConsentCard, consent_card

log = logging.getLogger(__name__)

EVENT = "consent"
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
        event, sentence = _event_of(card, run.pk), _sentence(card)
    if card.state in _ENDED:
        Run.objects.filter(pk=run.pk).exclude(status=Run.Status.FAILED).update(notice=sentence)
    if not run.is_active:
        return
    try:
        stream.append_sync(run.pk, EVENT, event)
    except redis.RedisError as exc:
        log.warning("consent.not_shown", extra={"run": str(run.pk), "failure": type(exc).__name__})


def data_shown(run_id: UUID, data: str) -> str:
    """Return the data of a consent event as a tab gets it: with its link, unless it does not open.

    May query.
    """
    event = json.loads(data)
    sealed, event["url"] = base64.b64decode(event["url"]), ""
    if sealed:
        try:
            event["url"] = open_sealed(sealed, bound_to=_binding(run_id, event["id"])).reveal()
        except (SealBroken, KeyMissing) as exc:
            log.warning("consent.link_lost", extra={"run": str(run_id), "detail": exc.detail})
    return json.dumps(event, ensure_ascii=False)


def _event_of(card: ConsentCard, run_id: UUID) -> dict[str, Any]:
    """Return the card as it lies in Redis: whoever has its link can open it, so that is sealed."""
    url = ""
    if card.url:
        sealed = seal(card.url, bound_to=_binding(run_id, str(card.id)))
        url = base64.b64encode(sealed).decode("ascii")
    return {
        "id": str(card.id),
        "state": card.state,
        "agent": card.agent,
        "provider": card.provider,
        "scopes": [{"name": scope.name, "words": scope.words} for scope in card.scopes],
        "url": url,
        "expires_at": card.expires_at.isoformat(),
        "notice": _sentence(card) if card.notice else "",
    }


def _binding(run_id: UUID, consent_id: str) -> Binding:
    return Binding("redis:run", str(run_id), "consent_url", consent_id)


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
