"""`manage.py explain_token`: every check of the inbound authorizer, its outcome, and the fix."""

from __future__ import annotations

import json
import os
import pwd
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.errors import AgentUnknown
from agents.explainer import Explanation, Finding, State, explain_sync, record_explained
from agents.models import Agent
from agents.models.registry import DEFAULT_ENDPOINT
from core.audit import Actor
from core.errors import AppError
from core.secret import Secret

_MAX_CHARS = 200_000
_REFUSED, _WRONG_USE = 1, 2
_MARKS = {State.PASSED: "✓", State.NOT_ASKED: "-", State.NOT_REACHED: "?"}


class Command(BaseCommand):
    """Reads a token from standard input; it is neither kept nor printed. Who asked is on record."""

    help = (
        "Read a token from standard input and say, check by check, whether the agent would be "
        "called with it, and what to do where not. Exit status: 0 it would be let in, 1 it would "
        "be refused, 2 nothing could be said."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the agent, its endpoint and the form of the answer."""
        parser.add_argument("--agent", required=True, help="its name or its id")
        parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT, help="by default, DEFAULT")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, agent: str, endpoint: str, **options: Any) -> None:
        """Explain the token. Exits with 1 where it would be refused."""
        token = Secret(sys.stdin.read(_MAX_CHARS).strip())
        if not token.reveal():
            raise CommandError("No token came on standard input.", returncode=_WRONG_USE)
        agent_id = (
            Agent.objects.filter(name=agent).values_list("agent_id", flat=True).first() or agent
        )
        try:
            explanation = explain_sync(token, agent_id=agent_id, endpoint=endpoint)
            record_explained(explanation, by=Actor(f"manage.py explain_token ({_who_runs_this()})"))
        except AgentUnknown:
            said = f"There is no agent {agent!r} with an endpoint {endpoint!r}."
            raise CommandError(said, returncode=_WRONG_USE) from None
        except AppError as exc:
            raise CommandError(str(exc), returncode=_WRONG_USE) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(explanation), ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(_as_text(explanation)))
        if explanation.refusal is not None:
            sys.exit(_REFUSED)


def _who_runs_this() -> str:
    """Return the system's name of the process's user: no variable that anybody could set."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _as_text(explanation: Explanation) -> list[str]:
    lines = [f"{explanation.agent_id}, endpoint {explanation.endpoint}", ""]
    for finding in explanation.findings:
        mark = _MARKS.get(finding.state, "✗" if finding.decides else "!")
        ended = "" if finding.state == State.PASSED else f": {finding.state_words}"
        lines.append(f"  {mark} {finding.title}{ended}")
        if finding.state == State.REFUSED:
            told = {
                "expected": ", ".join(finding.expected),
                "found": ", ".join(finding.found) or "nothing",
                "fix": finding.fix,
            }
            lines += [f"      {name:<9} {value}" for name, value in told.items() if value]
    refusal = explanation.refusal
    if refusal is None:
        return [*lines, "", "The token would be let in."]
    return [*lines, "", f"Refused: {refusal.status} {refusal.code}. {refusal.message}"]


def _as_json(explanation: Explanation) -> dict[str, Any]:
    refusal = explanation.refusal
    return {
        "agent": explanation.agent_id,
        "endpoint": explanation.endpoint,
        "let_in": refusal is None,
        "reason": refusal.code if refusal else None,
        "checks": [_finding(finding) for finding in explanation.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "check": finding.check,
        "state": finding.state.value,
        "expected": list(finding.expected),
        "found": list(finding.found),
    }
    if finding.state == State.REFUSED:
        told |= {
            "decides": finding.decides,
            "reason": finding.code,
            "status": finding.status,
            "message": finding.message,
            "fix": finding.fix,
        }
    return told
