"""After all other tests: no secret that any of them used is where it does not belong.

Everything else of this folder is how; `pytest tests/leaks` runs it alone, after a journey of its
own.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import HOME
from tests.fixtures.world import World
from tests.leaks import journey
from tests.leaks.places import Searched, changes, files, keys, lines, rows
from tests.leaks.search import LEAST, Search
from tests.leaks.session import log_file, recorded

pytestmark = pytest.mark.after_all_others

# Secrets that only programs see; whoever made the journey has seen the others.
UNSEEN = {
    "data key in granian.__main__",
    *(f"field {name} in demo.idp.__main__" for name in ("id_token", "refresh_token", "nonce")),
    *(
        f"field {name} in demo.acme.__main__"
        for name in ("code", "code_verifier", "state", "access_token", "refresh_token")
    ),
}
# What is too short to be looked for, where a program of the demo wrote it down, and why it is.
SHORT = {
    "field state": "tests that get a token of a person's send `s`",
    "Secret of core.wire": "`customState` of tests, and values that are refused as too short",
    "Secret of core.crypto.open_sealed": "the `customState` of tests, opened again",
}
# What was written down because of where it passed, and is no secret.
PUBLIC = {
    "cookie daiko_session tests/portal/test_session.py"
    "::test_what_is_stored_of_a_session_does_not_open_it": "a thief sends what is stored, a digest",
    "cookie daiko_language": "which language somebody reads",
    # The wire API calls them sensitive, whatever they are; these are words that stand elsewhere.
    "Secret of tests.vault.test_consent.hidden": "custom parameters of tests",
    "Secret of tests.vault.test_authorize_params.": "custom parameters of tests",
}
DEMOS = re.compile(r" in (granian|celery|demo\.\w+)\.__main__$")
# Files that are there to hold secrets, of mode 0600 or of no site of ours.
KEPT = (
    "keys",  # the demo's keys and passwords
    "demo-state.json",  # the same
    "run/site.json",  # what the demo's site is told, while it runs: for manage.py
    "demo.json",  # what the demo tells people: their passwords
    "postgres",  # searched as rows; the cluster has the databases of the demo's other two sites
    "static",  # files of the checkout
)


def secrets_used(state: dict[str, Any]) -> list[tuple[bytes, str]]:
    """Return all that any process wrote down, and what the demo and the tests were started with."""
    found = [(one.value, f"{one.kind} in {one.program}") for one in recorded()]
    given = [(value, kind) for kind, value in _leaves(state, "demo's") if _is_secret(kind)]
    given += [(os.environ[name], name) for name in ("SECRET_KEY", "VAULT_KEYS")]
    for value, kind in given:
        found.append((value.encode(), kind))
        if kind.lower().endswith("vault_keys"):
            key = value.partition(":")[2]
            found += [(key.encode(), kind), (base64.b64decode(key), kind)]
    return [
        (value, kind)
        for value, kind in found
        # One character over and over is what stands for no secret, or for a wrong one.
        if len(set(value)) > 1 and not kind.startswith(tuple(PUBLIC))
    ]


def _is_secret(kind: str) -> bool:
    return not re.search(r"ports|urls|access_key_id", kind)


def _leaves(document: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _leaves(value, f"{name} {key}")
    elif isinstance(document, str):
        yield name, document


def told(searched: Searched, search: Search, began: float) -> str:
    return (
        f"{len(search)} patterns, {searched.places} places, {searched.octets / 1e6:.1f} MB,"
        f" {time.monotonic() - began:.1f} s: {len(searched.found)} found"
    )


def assert_all_was_written_down(used: list[tuple[bytes, str]], held: dict[str, str]) -> None:
    """Fail where a secret of the journey is not among those that are looked for."""
    values = {value for value, _kind in used if len(value) >= LEAST}
    assert not [what for what, value in held.items() if value.encode() not in values]
    assert {kind for _value, kind in used} >= UNSEEN
    too_short = {kind for value, kind in used if len(value) < LEAST and DEMOS.search(kind)}
    assert not [kind for kind in too_short if not kind.startswith(tuple(SHORT))]


def assert_nothing(searched: Searched) -> None:
    found = "\n".join(sorted(set(searched.found))[:50])
    if found:
        pytest.fail(f"secrets were found in {len(searched.found)} places:\n{found}", pytrace=False)


def test_nothing_that_the_demo_holds_or_wrote_tells_a_secret(world: World) -> None:
    held = journey.go(world)

    began = time.monotonic()
    used = secrets_used(json.loads((world.home / "demo-state.json").read_text()))
    assert_all_was_written_down(used, held)
    search = Search(used)
    searched = Searched().through(rows(world.database_url), search)
    searched.through(keys(world.redis_url), search)
    searched.through(files(world.home, but=KEPT), search)

    sys.stdout.write(told(searched, search, began) + "\n")
    assert_nothing(searched)


def test_nothing_that_any_test_here_ever_wrote_tells_a_secret() -> None:
    began = time.monotonic()
    search = Search(secrets_used({}))
    logging.getLogger("vault").debug("leaks.searched")
    assert "leaks.searched" in log_file().read_text()
    searched = Searched().through([lines(log_file())], search)
    if home := os.environ.get(HOME):
        searched.through(
            changes(Path(home, "postgres"), database_url=os.environ["DATABASE_URL"]), search
        )
        searched.through(files(Path(home), but=KEPT), search)

    sys.stdout.write(told(searched, search, began) + "\n")
    assert_nothing(searched)
