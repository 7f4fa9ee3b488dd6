"""What every test has: running engines, the site's settings, and a browser when it asks."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
import pytest
import pytest_django
from django.db import connection
from playwright.sync_api import expect

from core import database, http
from tests import chromium
from tests.browser.in_words import look
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

# A page of a busy machine takes its time; what never comes fails all the same.
expect.set_options(timeout=20_000)

_END_OTHERS = """
    SELECT left(query, 200), pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = %s AND backend_type = 'client backend'
"""


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """Let go of the database before it is dropped: also on the loop that sync callers share."""
    yield
    http.run(database.close())
    ours: Any = connection
    with django_db_blocker.unblock():
        ours.close()
        ours.close_pool()
        # A thread of a test may hold a connection still. It is told of, and does not keep the
        # whole run from its end.
        with ours._nodb_cursor() as cursor:
            cursor.execute(_END_OTHERS, [ours.settings_dict["NAME"]])
            for query, _ended in cursor.fetchall():
                print("a connection was left open after:", query, file=sys.stderr)  # noqa: T201


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    log = Path(CHECKOUT, "var", "log", "chromium-install.log")
    try:
        return browser_type_launch_args | chromium.launch_arguments(log=log)
    except chromium.NoBrowser as exc:
        pytest.fail(str(exc), pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "also in those languages, widths and themes that `make test` leaves for lack of time"
    parser.addoption("--every-look", action="store_true", help=told)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    look(metafunc, "browse")


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
