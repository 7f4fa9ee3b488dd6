"""A process of its own that reads a token as the site does, from many threads at once.

    python -m tests.vault.reader

Standard input: one line of JSON, `{"workload_token", "provider", "threads", "stop_at"}` and, if it
is not USER_FEDERATION, `"flow"`; a second line lets it begin. Standard output: `ready`, `stopped`
where it stops, and at the end what each thread got: the token's hash, or the code of the error.
`stop_at` is "marked", between the mark and the request, "answered", between the answer and its
storing, or nothing.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup(set_prefix=False)

from django.db import connections  # noqa: E402  (models are there once Django is set up)

from agents.keys.callers import Caller  # noqa: E402
from core import oauth  # noqa: E402
from core.errors import AppError  # noqa: E402
from core.models.tokens import SealedTokens  # noqa: E402
from core.secret import Secret  # noqa: E402
from vault.asked.wanted import Wanted  # noqa: E402
from vault.flows import return_urls  # noqa: E402
from vault.token_read import Waiting, token_read  # noqa: E402


def main() -> None:
    """Read once in each thread, and say what came of it."""
    asked = json.loads(sys.stdin.readline())
    stop_at(asked["stop_at"])
    say("ready")
    sys.stdin.readline()
    with ThreadPoolExecutor(asked["threads"]) as threads:
        got = list(threads.map(lambda _: read(asked), range(asked["threads"])))
    say(json.dumps(got))


def read(asked: dict[str, Any]) -> str:
    """Return the hash of the token, "consent" where the person is asked, or an error's code."""
    wanted = Wanted(
        scopes=("calendar.read",),
        return_url=return_urls.own(),
        custom_state=None,
        custom_parameters={},
        resources=(),
        forced=False,
    )
    try:
        answer = token_read(
            caller=Caller("reader", None),
            unverified_token=Secret(asked["workload_token"]),
            flow=asked.get("flow", "USER_FEDERATION"),
            provider_name=asked["provider"],
            wanted=wanted,
            session_uri=None,
        )
    except AppError as exc:
        return exc.code
    finally:
        connections.close_all()
    if isinstance(answer, Waiting):
        return "consent"
    return hashlib.sha256(answer.access.reveal().encode()).hexdigest()


def stop_at(where: str) -> None:
    """Put an end to the process's progress at one step of a refresh; the test then kills it."""

    def stop(*_: object, **__: object) -> Any:
        say("stopped")
        threading.Event().wait()

    if where == "marked":
        oauth.token_request = stop
    elif where == "answered":
        SealedTokens.columns_of = stop  # type: ignore[method-assign]


def say(line: str) -> None:
    """Write one line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
