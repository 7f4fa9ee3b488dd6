"""The same explanation of a refusal that is on record: of what the trail kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.explainer.advice import fix_for
from agents.explainer.findings import Finding, State


def finding_of(reason: str, detail: Mapping[str, Any]) -> Finding | None:
    """Return the finding that a refused event tells of, or None where there is no advice about it.

    `detail` may have been written by an older release, so nothing is taken for granted.
    """
    expected, found = _texts(detail.get("expected")), _texts(detail.get("found"))
    token = detail.get("token")
    fix = fix_for(reason, expected, found, token if isinstance(token, dict) else {})
    if not fix:
        return None
    check = detail.get("check")
    return Finding(
        check if isinstance(check, str) else "",
        State.REFUSED,
        expected,
        found,
        code=reason,
        fix=fix,
        decides=True,
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
