"""One data plane, one issuer and one agent for each kind of authorizer, for all rows together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.models import Agent
from core import crypto
from tests.agents.authorizer.of_the_token import KEYS
from tests.agents.authorizer.rules import RULES
from tests.agents.committed import empty_tables
from tests.agents.conftest import make_agent
from tests.agents.plane import Plane, Reply, invocation_path, running_plane
from tests.agents.small_agent import SmallAgent, small_agent
from tests.fixtures.issuer import Issuer, issuing


@dataclass
class Matrix:
    """What the rows have in common. The agents are made as they are asked for."""

    plane: Plane
    issuer: Issuer
    upstream: SmallAgent
    agents: dict[str, Agent] = field(default_factory=dict)

    def agent(self, rule: str) -> Agent:
        if rule not in self.agents:
            self.agents[rule] = make_agent(
                f"matrix_{len(self.agents)}",
                self.issuer,
                url=self.upstream.url,
                everyone=True,
                **{"allowed_clients": (), **RULES[rule]},
            )
        return self.agents[rule]

    def show(self, token: str, rule: str) -> Reply:
        """Return the gateway's answer to a call with `token`."""
        sent = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        return self.plane.ask(invocation_path(self.agent(rule)), headers=sent)


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction: the explainer asks it on threads of its own."""
    with django_db_blocker.unblock():
        yield
        empty_tables()


@pytest.fixture(scope="module")
def matrix(
    tmp_path_factory: Any, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Matrix]:
    with django_db_blocker.unblock(), issuing() as issuer, small_agent() as upstream:
        crypto.seal("", bound_to=crypto.Binding("", "", "", ""))
        issuer.keys = [*KEYS]
        log = tmp_path_factory.mktemp("matrix") / "log"
        with running_plane(log, DAIKO_REFUSALS_PER_MINUTE="0") as plane:
            yield Matrix(plane, issuer, upstream)
        empty_tables()
