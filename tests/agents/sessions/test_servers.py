"""Ids that an agent's own server gives to its sessions: one caller's each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from agents.models import RuntimeSession
from agents.sessions import servers
from agents.sessions.errors import ServerSessionForeign
from agents.sessions.servers import Server
from core import database
from core.recent import RegistryUnavailable
from tests.agents.sessions.conftest import AGENT, ALICE, BOB, let_pass
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")

URL = "https://tools.example/mcp"
OF_ALICE = Server(AGENT, URL, ALICE, "DEFAULT", 900, 28_800, named=None)
OF_BOB = replace(OF_ALICE, owner=BOB)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a process does that was just started."""
    monkeypatch.setattr(servers, "_known", set())


def test_an_id_is_its_whom_an_answer_gave_it_to_and_stays_so(run: Run[Any]) -> None:
    assert run(OF_ALICE.gives("one"))
    let_pass(400 * 24 * 3600)

    assert not run(OF_BOB.gives("one"))
    assert run(OF_ALICE.gives("one"))
    assert RuntimeSession.objects.get().owner == ALICE


def test_what_was_given_to_somebody_else_or_to_nobody_is_foreign(run: Run[Any]) -> None:
    run(OF_ALICE.gives("one"))

    run(replace(OF_ALICE, named="one").refuse_foreign())
    for foreign in (
        replace(OF_BOB, named="one"),
        replace(OF_ALICE, named="ONE"),
        replace(OF_ALICE, named="one", url=URL + "/"),
        replace(OF_ALICE, named="one", agent_id="another-0000000000"),
    ):
        with pytest.raises(ServerSessionForeign):
            run(foreign.refuse_foreign())
    assert RuntimeSession.objects.count() == 1


def test_no_id_and_the_one_that_was_named_are_no_news(run: Run[Any]) -> None:
    named = replace(OF_ALICE, named="one")

    assert [run(named.gives(given)) for given in (None, "", "one")] == [True] * 3
    run(OF_ALICE.refuse_foreign())
    assert not RuntimeSession.objects.exists()


def test_whose_an_id_is_is_asked_once_a_process(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_MAX_KNOWN", 1)
    for given in ("one", "two"):
        run(OF_ALICE.gives(given))
    _away(monkeypatch)

    run(replace(OF_ALICE, named="two").refuse_foreign())
    with pytest.raises(RegistryUnavailable):  # pushed out by the other
        run(replace(OF_ALICE, named="one").refuse_foreign())


def test_without_the_database_no_id_is_anybodys(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _away(monkeypatch)

    with pytest.raises(RegistryUnavailable):
        run(replace(OF_ALICE, named="one").refuse_foreign())
    with pytest.raises(RegistryUnavailable):
        run(OF_ALICE.gives("one"))
    assert not RuntimeSession.objects.exists()


def _away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> Any:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(database, "pool", away)
