"""A short storm in each run; `make chaos` has the long one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.storm import storm

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_family_is_revoked_and_no_grant_lost_or_mixed_up(settings: Any, tmp_path: Path) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    came = storm(seed=secrets.randbits(32), interleavings=800, log=tmp_path / "log")

    assert not came.wrong, str(came)
    assert came.interleavings >= 800
    assert came.killed
    assert came.faults
