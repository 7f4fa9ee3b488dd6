"""Tests of what an event loop asks the database: its threads see only what is committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.agents.committed import empty_tables


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around the test, in place of pytest-django's."""
    with django_db_blocker.unblock():
        yield
        empty_tables()
