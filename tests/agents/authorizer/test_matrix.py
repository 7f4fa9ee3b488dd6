"""Every row of the matrix, through the gateway, and explained: the two never disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.explainer import explain
from core.models import AuditEvent
from core.secret import Secret
from tests.agents.authorizer import of_the_claims, of_the_rule, of_the_token
from tests.agents.authorizer.conftest import Matrix
from tests.agents.authorizer.rows import LET_IN, Row
from tests.fixtures.loops import Run


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database, in which the agents stay until the last row."""
    with django_db_blocker.unblock():
        yield


ROWS = [*of_the_token.ROWS, *of_the_claims.ROWS, *of_the_rule.ROWS]


def test_the_matrix_has_the_tokens_that_were_asked_for() -> None:
    assert len(ROWS) >= 200
    assert len({str(row) for row in ROWS}) >= 200


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_ends_as_it_says_and_is_explained_alike(
    row: Row, matrix: Matrix, db: None, run: Run[Any]
) -> None:
    agent, token = matrix.agent(row.rule), row.token(matrix.issuer)
    calls = len(matrix.upstream.calls)

    reply = matrix.show(token, row.rule)
    explained = run(explain(Secret(token), agent_id=agent.agent_id, endpoint="DEFAULT"))

    event = AuditEvent.objects.filter(agent=agent.agent_id, action="agent.invocation").latest("pk")
    told = "" if reply.status == 200 else reply.message
    assert (reply.status, told, event.reason) == row.outcome
    assert len(matrix.upstream.calls) - calls == (1 if row.outcome == LET_IN else 0)
    refusal = explained.refusal
    if row.outcome == LET_IN:
        assert refusal is None
        return
    assert refusal is not None
    assert (refusal.status, refusal.message, refusal.code) == row.outcome
    assert refusal.fix
    # What is on record renders the same finding, and holds no token.
    assert event.detail["check"] == refusal.check
    if refusal.code not in {
        "expired",
        "not_yet_valid",
        "no_expiry",
    }:  # which expect what the time is now
        assert event.detail["expected"] == list(refusal.expected)
    assert len(str(event.detail)) < 20_000
    assert len(token) < 12 or token not in str(event.detail)
