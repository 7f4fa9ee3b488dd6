"""How calls that were let through ended, on record."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from core import audit
from core.errors import AppError

log = logging.getLogger(__name__)


async def record(
    event: audit.Event,
    began: float,
    *,
    sent_bytes: int = 0,
    error: AppError | None = None,
    left: bool = False,
) -> None:
    """Put on record how a call that was let through ended; `left`: its client did not wait.

    Nothing is released after it, so a trail that cannot be written is logged and no more.
    """
    duration_ms = round((time.monotonic() - began) * 1000)
    measured = {**event.detail, "bytes": sent_bytes, "duration_ms": duration_ms}
    if error is not None and error.detail:
        measured["failure"] = error.detail
    ended = replace(
        event,
        action="agent.invocation.ended",
        outcome="failed" if error else "allowed",
        reason="client_left" if left else error.code if error else "",
        detail=measured,
    )
    storing = asyncio.create_task(_store_end(ended))
    try:
        await asyncio.shield(storing)
    except asyncio.CancelledError:
        await asyncio.wait({storing})  # a client that leaves now does not keep it off the record
        raise


async def _store_end(ended: audit.Event) -> None:
    try:
        await audit.arecord(ended)
    except audit.AuditUnavailable as exc:
        log.error("agent.invocation.end_not_recorded", extra={"detail": exc.detail})
