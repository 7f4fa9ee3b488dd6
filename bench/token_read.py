"""Reads of a live grant's token: signed as an agent signs, opened, and on record.

Measured at few grants and at many, in one run.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.conf import settings
from django.utils import timezone

from agents import workload
from agents.models import WorkloadIdentity
from bench import grants, world
from bench.children import answer, answering, answers, say
from bench.cpu import seconds_of
from bench.report import Row
from core.wire.model import SIGNING_NAME

_PATH = "/identities/oauth2/token"
_PROVIDER = "bench"
_PEOPLE = "person"
_BARE_SERVER = "bare server, a constant"
_BARE_STATEMENTS = "bare loop of SELECT and INSERT"
# Signed before the clock starts. A signature is good for five minutes, and so may be sent again.
_MAX_REQUESTS = 10_000


def main(asked: dict[str, Any]) -> None:
    """Measure, and say each row."""
    identity, key_id, secret = world.reader("bench-agent")
    credentials = Credentials(key_id, secret.reveal())
    provider = world.provider(_PROVIDER, url=grants.ISSUER, workload=identity)
    expires_at = timezone.now() + timedelta(hours=12)
    # Each row reads as many different grants: a use is noted in the grant now and then, so reading
    # more of them writes more. What then differs between rows is the table.
    different = min(_MAX_REQUESTS, *asked["grants"])
    fewest = ""
    for up_to in sorted(asked["grants"]):
        grants.fill(
            identity,
            provider,
            of=_PEOPLE,
            up_to=up_to,
            expires_at=expires_at,
            next_refresh_at=expires_at - timedelta(minutes=10),
        )
        what = f"token read, {up_to:,} grants"
        if not fewest:
            _say(_bare_statements(asked))
        _write_requests(identity, credentials, random.sample(range(up_to), different))
        if not fewest:
            _say(_loaded(_BARE_SERVER, "BENCH_BARE_PORT", asked))
        baselines = [_BARE_STATEMENTS, _BARE_SERVER, *([fewest] if fewest else [])]
        _say(_loaded(what, "BENCH_SITE_PORT", asked, baselines))
        fewest = fewest or what


def _requests_file() -> Path:
    return Path(os.environ["BENCH_HOME"]) / "requests.json"


def _write_requests(
    identity: WorkloadIdentity, credentials: Credentials, numbers: list[int]
) -> None:
    """Write a signed request for each of these grants."""
    say({"progress": f"signing {len(numbers):,} requests"})
    requests = list(_requests(identity, credentials, numbers))
    _requests_file().write_text(json.dumps(requests), encoding="utf-8")


def _requests(
    identity: WorkloadIdentity, credentials: Credentials, numbers: list[int]
) -> Iterator[str]:
    url = f"http://127.0.0.1:{os.environ['BENCH_SITE_PORT']}{_PATH}"
    signer = SigV4Auth(credentials, SIGNING_NAME, settings.AWS_REGION)
    for number in numbers:
        token = workload.issue(
            workload_id=identity.pk,
            workload_name=identity.name,
            subject=grants.person(number, of=_PEOPLE),
            session_id=f"bench-session-{number:024}",
            groups=frozenset([world.GROUP]),
        )
        body = json.dumps(
            {
                "workloadIdentityToken": token.reveal(),
                "resourceCredentialProviderName": _PROVIDER,
                "scopes": grants.SCOPES[:1],
                "oauth2Flow": "USER_FEDERATION",
            }
        )
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        signer.add_auth(request)
        sent = {"Host": url.split("/")[2], **dict(request.headers), "Content-Length": len(body)}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        yield f"POST {_PATH} HTTP/1.1\r\n{head}\r\n{body}"


def _loaded(what: str, port: str, asked: dict[str, Any], baselines: Sequence[str] = ()) -> Row:
    """Return what the load generator, a process of its own, saw at a port."""
    say({"progress": f"{what}: {asked['seconds']:g} s"})
    numbers = [os.environ[port], str(asked["seconds"]), str(asked["connections"])]
    before = _used()
    load = answering("load", ["-m", "bench.load", *numbers, str(_requests_file())], os.environ)
    seen = answer(load)
    answered = max(1, seen.pop("answers"))
    cpu_ms = {name: (used - before[name]) * 1000 / answered for name, used in _used().items()}
    cpu_ms["load"] = seen.pop("cpu_s") * 1000 / answered
    return Row(what=what, **seen, cpu_ms=cpu_ms, baselines=baselines)


def _used() -> dict[str, float]:
    """Return the processor time so far, in seconds, of each program that has to do with a read."""
    programs: dict[str, int] = json.loads(os.environ["BENCH_PROGRAMS"])
    return {name: seconds_of(pid) for name, pid in programs.items()}


def _bare_statements(asked: dict[str, Any]) -> Row:
    """Return how often two statements pass, from as many processes as the site has."""
    say({"progress": f"{_BARE_STATEMENTS}: {asked['seconds']:g} s"})
    share = max(1, asked["connections"] // asked["workers"])
    command = ["-m", "bench.bare", str(asked["seconds"]), str(share)]
    loops = [answering(f"loop-{n}", command, os.environ) for n in range(asked["workers"])]
    with closing(answers(loops)) as rates:
        return Row(what=_BARE_STATEMENTS, per_second=sum(rates))


def _say(row: Row) -> None:
    say({"row": asdict(row)})
