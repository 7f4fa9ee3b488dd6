"""How calls that were let through ended, on record.

Nothing waits for it: what was to be released has been. So a process that is killed may leave a call
on record without its end.
"""

from __future__ import annotations

import time
from dataclasses import replace

from core import audit
from core.errors import AppError


def record(
    event: audit.Event,
    began: float,
    *,
    sent_bytes: int = 0,
    error: AppError | None = None,
    left: bool = False,
) -> None:
    """Put on record how a call that was let through ended; `left`: its client did not wait.

    A trail that cannot be written is logged, and no more.
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
    audit.later(ended)
