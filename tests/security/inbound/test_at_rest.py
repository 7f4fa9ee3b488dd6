"""A copy of the whole database reveals no secret of the inbound side, and neither do the logs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import connection

from agents import workload
from agents.keys import access_keys
from agents.models import AccessKey
from core.logs import EventFormatter
from core.subject import Subject
from tests.agents.conftest import ADMIN, make_agent, person
from tests.fixtures.issuer import Issuer
from tests.fixtures.loops import Run
from tests.security.inbound.test_admitted_by import _called

pytestmark = pytest.mark.django_db(transaction=True)


def _dump() -> str:
    """Return every row of every table as text, octets as they are and in hexadecimal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} t")  # noqa: S608 - of the catalogue
            rows += [text for (text,) in cursor.fetchall()]
    return "\n".join(rows)


def test_a_copy_of_the_database_holds_no_secret(run: Run[Any], issuer: Issuer) -> None:
    alice = person("alice", issuer.url)
    agent = make_agent("a", issuer, people=[alice])
    _, operator = access_keys.access_key_create(label="o", workload_identity=None, actor=ADMIN)
    _, own = access_keys.access_key_create(
        label="a", workload_identity=agent.workload_identity, actor=ADMIN
    )
    token, refused = issuer.token(), issuer.token(sub="charlie")
    run(_called(agent.agent_id, token))
    run(_called(agent.agent_id, refused))
    run(_called(agent.agent_id, "n0.t0k3n.atall"))

    dump = _dump()

    assert agent.agent_id in dump
    assert AccessKey.objects.count() == 2
    for secret in (operator.reveal(), own.reveal()):
        assert secret not in dump
        assert secret.encode().hex() not in dump
    for bearer in (token, refused):
        for part in bearer.split("."):
            assert part not in dump
    assert "n0.t0k3n" not in dump


def test_what_goes_wrong_logs_no_secret(
    run: Run[Any], issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(EventFormatter())
    agent = make_agent("a", issuer, everyone=True)
    key, secret = access_keys.access_key_create(label="o", workload_identity=None, actor=ADMIN)
    wat = workload.issue(workload_id=1, workload_name="a", subject=Subject("i", "s")).reveal()
    assert key.secret_sealed is not None
    tokens = [issuer.token(), issuer.token(exp=1), issuer.token() + "x", wat]
    for token in tokens:
        run(_called(agent.agent_id, token))

    logged = caplog.text

    assert "agent.invocation.refused" in logged
    assert all(json.loads(line) for line in logged.splitlines() if line.startswith("{"))
    for value in (*tokens, secret.reveal(), bytes(key.secret_sealed).hex()):
        assert value not in logged
        assert value.rpartition(".")[2] not in logged
