"""What every test has: running engines, the site's settings, and a browser when it asks."""

import atexit
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import django
import pytest

from core import database, http
from tests import chromium
from tests.children import make_child  # noqa: F401 - a fixture
from tests.engines import CHECKOUT, environment
from tests.fixtures.world import world  # noqa: F401 - a fixture
from tests.leaks import session

# Done while this file is imported, because the conftest files and tests below it import models,
# and settings are read from an environment that names running engines. The kernel stops the
# engines if pytest is killed.
_session = ExitStack()
atexit.register(_session.close)
_session.enter_context(session.recording())
os.environ.update(_session.enter_context(environment()))
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Let go of the database before it is dropped: also on the loop that sync callers share."""
    yield
    http.run(database.close())


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    log = Path(CHECKOUT, "var", "log", "chromium-install.log")
    try:
        return browser_type_launch_args | chromium.launch_arguments(log=log)
    except chromium.NoBrowser as exc:
        pytest.fail(str(exc), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    session.log_everything()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what uses a browser late: its driver keeps a loop running in the main thread, in which
    no other test could start one of its own. What shares the running demo stands together, as its
    fixtures do. And what looks at all that the others did, last."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("after_all_others") is not None,
            "playwright" in getattr(item, "fixturenames", ()),
            item.path.parent.name if "world" in getattr(item, "fixturenames", ()) else "",
        )
    )
