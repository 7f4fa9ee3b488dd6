"""A short storm in each run; `make chaos` has the long one."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.chaos.storm import storm

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("forgives", [True, False], ids=["with grace", "without grace"])
def test_no_family_is_revoked_and_no_grant_lost_or_mixed_up(forgives: bool, settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    came = storm(seed=secrets.randbits(32), interleavings=400, forgives=forgives)

    assert not came.wrong, str(came)
    assert came.interleavings >= 400
    assert came.killed
