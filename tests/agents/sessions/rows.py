"""Rows of sessions, as the statement that claims one would leave them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent, RuntimeSession
from core.subject import Subject

_numbers = itertools.count(1)


def make_session(agent: Agent, owner: Subject, **about: Any) -> RuntimeSession:
    """Store a session that goes on, changed as asked."""
    now = timezone.now()
    plain = {
        "session_id": f"session-number-{next(_numbers):030}",
        "is_allocated": False,
        "endpoint": "DEFAULT",
        "idle_s": 900,
        "lifetime_s": 28_800,
        "started_at": now,
        "last_used_at": now,
        "expires_at": now + timedelta(seconds=900),
    }
    return RuntimeSession.objects.create(
        agent=agent, owner_iss=owner.iss, owner_sub=owner.sub, **{**plain, **about}
    )
