"""The people, the site and the agent of the portal's tests."""

from tests.portal.conftest import (  # noqa: F401 - fixtures
    agent,
    agent_server,
    nothing_remembered,
    person,
    provider,
    site,
    visitor,
)
