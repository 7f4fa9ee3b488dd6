"""Reads of a live grant's token: signed as an agent signs, opened, and on record.

`python -m bench.token_read NUMBERS`, in the environment that `python -m bench` makes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from portal.environment import told_plainly

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
with told_plainly():
    django.setup(set_prefix=False)

# Models can be imported only once Django is set up.
from django.conf import settings

from agents import workload
from bench import world
from bench.cpu import seconds_of
from bench.report import Row
from bench.world import World
from core.wire.model import SIGNING_NAME

_PATH = "/identities/oauth2/token"
_BARE_SERVER = "bare server, a constant"
_BARE_STATEMENTS = "bare loop of SELECT and INSERT"
# Signed before the clock starts. A signature is good for five minutes, and so may be sent again.
_MAX_REQUESTS = 10_000


def main() -> None:
    """Measure, and print each row as a line of JSON."""
    asked = json.loads(sys.argv[1])
    made = world.made()
    for number, grants in enumerate(sorted(asked["grants"])):
        world.fill(made, up_to=grants)
        if number == 0:
            _print(_bare_statements(asked))
            _write_requests(made, grants)
            _print(_loaded(_BARE_SERVER, "BENCH_BARE_PORT", asked))
        _write_requests(made, grants)
        for baseline in (_BARE_SERVER,):
            _print(_loaded(f"token read, {grants:,} grants", "BENCH_SITE_PORT", asked, baseline))


def _requests_file() -> Path:
    return Path(os.environ["BENCH_HOME"]) / "requests.json"


def _write_requests(made: World, grants: int) -> None:
    """Write signed requests for grants taken at random from all over the table."""
    numbers = random.sample(range(grants), min(grants, _MAX_REQUESTS))
    _requests_file().write_text(json.dumps(list(_requests(made, numbers))), encoding="utf-8")


def _requests(made: World, numbers: list[int]) -> Iterator[str]:
    url = f"http://127.0.0.1:{os.environ['BENCH_SITE_PORT']}{_PATH}"
    credentials = Credentials(made.access_key_id, made.secret_access_key.reveal())
    signer = SigV4Auth(credentials, SIGNING_NAME, settings.AWS_REGION)
    for number in numbers:
        token = workload.issue(
            workload_id=made.identity.pk,
            workload_name=made.identity.name,
            subject=world.person(number),
            session_id=f"bench-session-{number:024}",
            groups=frozenset([world.GROUP]),
        )
        body = json.dumps(
            {
                "workloadIdentityToken": token.reveal(),
                "resourceCredentialProviderName": made.provider.name,
                "scopes": world.SCOPES[:1],
                "oauth2Flow": "USER_FEDERATION",
            }
        )
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        signer.add_auth(request)
        sent = {"Host": url.split("/")[2], **dict(request.headers), "Content-Length": len(body)}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        yield f"POST {_PATH} HTTP/1.1\r\n{head}\r\n{body}"


def _loaded(what: str, port: str, asked: dict[str, Any], baseline: str = "") -> Row:
    """Return what the load generator, a process of its own, saw at a port."""
    numbers = [os.environ[port], str(asked["seconds"]), str(asked["connections"])]
    before = _used()
    seen = json.loads(_printed("bench.load", *numbers, str(_requests_file())))
    answers = max(1, seen.pop("answers"))
    cpu_ms = {name: (used - before[name]) * 1000 / answers for name, used in _used().items()}
    return Row(what=what, **seen, cpu_ms=cpu_ms, baseline=baseline)


def _used() -> dict[str, float]:
    """Return the processor time so far, in seconds, of each program that has to do with a read."""
    programs: dict[str, int] = json.loads(os.environ["BENCH_PROGRAMS"])
    return {name: seconds_of(pid) for name, pid in (programs | {"load": os.getpid()}).items()}


def _bare_statements(asked: dict[str, Any]) -> Row:
    """Return how often two statements pass, from as many processes as the site has."""
    share = max(1, asked["connections"] // asked["workers"])
    command = [sys.executable, "-m", "bench.bare", str(asked["seconds"]), str(share)]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(asked["workers"])]
    return Row(
        what=_BARE_STATEMENTS, per_second=sum(float(loop.communicate()[0]) for loop in loops)
    )


def _printed(module: str, *arguments: str) -> bytes:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _print(row: Row) -> None:
    sys.stdout.write(json.dumps(asdict(row)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
