"""A provider that misbehaves on demand. Nothing else on this site knows how to.

Faults are armed by the holder of the ledger key, wait in memory, and are used up one by one by the
token endpoint.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from django.http import HttpResponse, StreamingHttpResponse

KINDS = frozenset({"500", "429", "slow", "malformed", "drop_after_rotation"})
MAX_COUNT = 100
MAX_SECONDS = 30


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, for one token request."""

    kind: str
    seconds: int

    def instead_of_work(self) -> HttpResponse | None:
        """Return what the client gets before anything was done; a slow one waits, and works."""
        if self.kind == "500":
            return HttpResponse(status=500)
        if self.kind == "429":
            return HttpResponse(status=429, headers={"Retry-After": str(self.seconds)})
        if self.kind == "malformed":
            return HttpResponse("{'access_token': 'nonsense", content_type="application/json")
        if self.kind == "slow":
            time.sleep(self.seconds)
        return None

    def instead_of_answer(self) -> StreamingHttpResponse | None:
        """Return what the client gets in place of the answer to what was done."""
        if self.kind != "drop_after_rotation":
            return None
        # It ends before the length that it announces, and the web server closes the connection.
        broken = StreamingHttpResponse([b"{"], content_type="application/json")
        broken["Content-Length"] = "512"
        return broken


_armed: deque[Fault] = deque()
_lock = threading.Lock()


def arm(fault: Fault, *, count: int) -> int:
    """Replace what is armed by `count` times `fault`, and return how many that is."""
    with _lock:
        _armed.clear()
        _armed.extend([fault] * count)
        return len(_armed)


def take() -> Fault | None:
    """Return the fault for the next token request, and use it up."""
    with _lock:
        return _armed.popleft() if _armed else None
