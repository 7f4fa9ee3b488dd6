"""An issuer, an agent for the staff, and a loop of one's own: those of the inbound tests."""

from tests.agents.conftest import (  # noqa: F401 - fixtures
    _nothing_remembered,
    issuer,
    staff,
)
from tests.fixtures.loops import run  # noqa: F401 - a fixture
