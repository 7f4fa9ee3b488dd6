"""`manage.py explain_token`, as it is used on a command line."""

from __future__ import annotations

import io
import json
import os
import pwd
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from core import audit
from core.models import AuditEvent
from tests.agents.conftest import make_agent
from tests.fixtures.issuer import Issuer


@pytest.fixture
def agent(db: None, issuer: Issuer) -> Agent:
    return make_agent("concierge", issuer, everyone=True)


Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run the command on a token, and return its exit status and what it printed."""

    def run(token: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(token + "\n"))
        out = io.StringIO()
        try:
            call_command("explain_token", *arguments, stdout=out)
        except SystemExit as exc:
            return int(str(exc.code)), out.getvalue()
        return 0, out.getvalue()

    return run


@pytest.mark.parametrize("by", ["name", "agent_id"])
def test_a_token_that_would_be_let_in_ends_with_zero(
    agent: Agent, issuer: Issuer, ask: Ask, by: str
) -> None:
    status, said = ask(issuer.token(), "--agent", getattr(agent, by))

    assert status == 0
    assert "The token would be let in." in said
    assert "✓ Signature\n" in said


def test_a_token_that_would_be_refused_ends_with_one_and_the_fix(
    agent: Agent, issuer: Issuer, ask: Ask
) -> None:
    token = issuer.token(client_id="other")

    status, said = ask(token, "--agent", "concierge")

    assert status == 1
    assert "✗ Client (client_id): refuses" in said
    assert "expected  portal" in said
    assert "found     other" in said
    assert "fix       The token was issued to the client" in said
    assert "Refused: 401 client_mismatch." in said
    assert token.split(".")[1] not in said


def test_it_speaks_json_to_programs(agent: Agent, issuer: Issuer, ask: Ask) -> None:
    status, said = ask(issuer.token(exp=1), "--agent", "concierge", "--json")

    told = json.loads(said)
    assert (status, told["let_in"], told["reason"]) == (1, False, "expired")
    assert [check["check"] for check in told["checks"]][:3] == ["format", "algorithm", "critical"]
    refusing = next(check for check in told["checks"] if check.get("decides"))
    assert refusing["check"] == "expiry"
    assert refusing["fix"]


@pytest.mark.parametrize(
    ("token", "arguments"),
    [
        ("x", ["--agent", "nobody"]),
        ("x", ["--agent", "concierge", "--endpoint", "PROD"]),
        ("", ["--agent", "concierge"]),
        ("x", []),
    ],
)
def test_what_cannot_be_asked_ends_with_two(
    agent: Agent, ask: Ask, token: str, arguments: list[str]
) -> None:
    with pytest.raises(CommandError) as caught:
        ask(token, *arguments)

    assert getattr(caught.value, "returncode", 2) == 2 or not arguments


def test_who_asked_about_whom_is_on_record_and_the_token_is_not(
    agent: Agent, issuer: Issuer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    token = issuer.token(sub="bob")

    ask(token, "--agent", "concierge")

    event = AuditEvent.objects.get(action="admin.token.explained")
    assert event.actor == f"manage.py explain_token ({pwd.getpwuid(os.getuid()).pw_name})"
    assert (event.subject_sub, event.agent) == ("", agent.agent_id)
    assert event.detail == {
        "endpoint": "DEFAULT",
        "looked_up": False,
        "iss": issuer.url,
        "sub": "bob",
    }
    for part in token.split("."):
        assert part not in str(event.detail)


def test_what_cannot_be_put_on_record_is_not_said(
    agent: Agent, issuer: Issuer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(event: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", away)

    with pytest.raises(CommandError):
        ask(issuer.token(), "--agent", "concierge")
