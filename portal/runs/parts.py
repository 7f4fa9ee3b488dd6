"""The parts of a run's answer in its row, to which the executor and the vault both add.

Who adds one locks the answer for as long as that takes, so that each part has one place, and the
places are in the order in which the parts came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from portal import timeline
from portal.errors import RunOver
from portal.models import Message, Run
from portal.runs import settled
from portal.timeline import Approval, Consent, Part, Text, Tool
from vault.holdings import uses


def place(run_id: UUID, part: Part) -> int:
    """Append `part` to the answer of a running run and return its place. Raises RunOver."""
    with transaction.atomic():
        answer = _running(run_id).first()
        if answer is None:
            raise RunOver
        return append(answer, part)


def store(run_id: UUID, changed: Mapping[int, Part]) -> None:
    """Store what became of parts that have their place, while their run goes on."""
    with transaction.atomic():
        answer = _running(run_id).first()
        if answer is not None:
            put(answer, changed)


def used_meanwhile(run_id: UUID, *, since: datetime, until: datetime) -> tuple[dict[str, Any], ...]:
    """Return what of services was used on the person's behalf in the course of this run, as parts
    of answers have it, in the run's language.
    """
    run = Run.objects.select_related("conversation__user").get(pk=run_id)
    with translation.override(run.language):
        found = uses.uses(
            subject=run.conversation.user.subject,
            invocation=run.reference,
            since=since,
            until=until,
        )
    return tuple(asdict(use) for use in found)


def length(run_id: UUID) -> int:
    """Return how many parts the run's answer has."""
    return len(Message.objects.values_list("parts", flat=True).get(run=run_id))


def append(answer: Message, part: Part) -> int:
    """Append `part` to an answer whose row the caller has locked, and return its place."""
    answer.parts.append(timeline.to_json(part))
    answer.save(update_fields=["parts"])
    return len(answer.parts) - 1


def put(answer: Message, changed: Mapping[int, Part]) -> None:
    """Put `changed` into their places in an answer whose row the caller has locked."""
    for index, part in changed.items():
        answer.parts[index] = timeline.to_json(part)
    answer.save(update_fields=["parts"])


def _running(run_id: UUID) -> QuerySet[Message]:
    return locked().filter(run=run_id, run__status=Run.Status.RUNNING)


def locked() -> QuerySet[Message]:
    """Return messages as rows that are locked once they are read."""
    return Message.objects.select_for_update(of=("self",), no_key=True)


def event_of(index: int, part: Part) -> dict[str, Any]:
    """Return the data of the event that tells of a part other than a text."""
    return {"index": index, **timeline.to_json(part)}


def shape_of(part: Part) -> dict[str, Any]:
    """Return a part as the API tells it; a text with its HTML, block by block."""
    shape = timeline.to_json(part)
    if isinstance(part, Text):
        # Escaped by markdown-it and then passed through nh3's allow-list.
        shape["blocks"] = [mark_safe(html) for html in settled.blocks_of(part.text)]  # noqa: S308
    return shape


def took_of(tool: Tool) -> str:
    """Return how long the tool took, in words; empty where that is not known."""
    if tool.took_s is None:
        return ""
    minutes, seconds = divmod(max(round(tool.took_s), 1), 60)
    if not minutes:
        return _("%(seconds)d s") % {"seconds": seconds}
    return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}


def html_of(index: int, part: Part, *, question: str, url: str = "") -> str:
    """Return the part as it stands on the page. `url` is the link of an open consent."""
    context = {"index": index, "part": shape_of(part), "question": question}
    if isinstance(part, Consent):
        context["url"] = url
    if isinstance(part, Consent | Approval):
        context["is_open"] = part.is_open
    if isinstance(part, Tool):
        context["took"] = took_of(part)
    return render_to_string("portal/_part.html", context).strip()
