"""One storm over the vault: many processes, faults and kills, and afterwards everything is counted.

A seed draws what is done, what goes wrong and who is killed where; in which order processes get to
it is the machine's.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from django.db import transaction
from django.utils import timezone

from agents.models import WorkloadIdentity
from core import audit, crypto, oauth, refreshing
from core.audit import Actor
from core.models import AuditEvent
from core.secret import Secret
from core.subject import Subject
from tests.chaos.actor import PAST, TIME_OUT_S, Orders, person, quick
from tests.chaos.provider import Provider, providing
from tests.children import ended_with_this
from tests.connections import database_url
from vault import due, grants
from vault.models import CredentialProvider, Grant
from vault.providers import provider_store
from vault.standing import Parties

_CHECKOUT = Path(__file__).resolve().parents[2]
_GRACE_S = 10
_FAULT_RATE, _KILL_RATE = 0.12, 0.01
_WEB, _WORKERS = 3, 3
_GRANTS = 60


@dataclass
class Outcome:
    """What came of a storm. `wrong` says what must not be, and is empty when all is well."""

    seed: int
    done: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def interleavings(self) -> int:
        """Return how many things the processes did, and how often one was killed at it."""
        return self.done.total() + self.killed.total()

    def __str__(self) -> str:
        counts = {
            "done": self.done, "killed": self.killed, "faults": self.faults, "ends": self.ends,
        }  # fmt: skip
        lines = [f"seed {self.seed}: {self.interleavings:,} interleavings"]
        for name, counter in counts.items():
            lines.append(f"  {name}: {', '.join(f'{k} {n:,}' for k, n in counter.most_common())}")
        return "\n".join([*lines, *(f"  WRONG: {what}" for what in self.wrong)])


def storm(*, seed: int, interleavings: int, forgives: bool) -> Outcome:
    """Let a storm go over an empty vault, and return what came of it.

    With `forgives` the provider has a grace window, and without it ends a family at any reuse.
    """
    provider = Provider(
        grace_s=_GRACE_S if forgives else 0.0,
        time_out_s=TIME_OUT_S,
        rng=random.Random(f"{seed}:provider"),  # noqa: S311  (drawn again by the seed)
    )
    outcome = Outcome(seed)
    crypto.forget_opened_keys()
    with quick(), providing(provider):
        _population(provider, grace_s=_GRACE_S if forgives else 0)
        provider.fault_rate = _FAULT_RATE
        orders = Orders(seed, _WEB, _WORKERS, _GRANTS, _KILL_RATE, provider.url)
        _rage(orders, outcome, interleavings)
        provider.fault_rate = 0.0
        _calm_down(outcome)
        _look(provider, outcome)
    outcome.faults.update({fault.value: n for fault, n in provider.faults.items()})
    return outcome


def _population(provider: Provider, *, grace_s: int) -> None:
    """Store a grant for each of several people."""
    identity = WorkloadIdentity.objects.create(name="storm-0123456789")
    there = provider_store(
        provider=CredentialProvider(
            name="storm",
            display_name="Storm",
            client_id="daiko",
            client_auth="none",
            issuer=provider.url,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            refresh_grace_s=grace_s,
            refresh_at_once=20,
        ),
        client_secret=None,
        workloads=[identity],
        actor=Actor("storm"),
    )
    for number in range(_GRANTS):
        subject = Subject("https://idp.example", person(number))
        given = provider.consent(subject.sub)
        tokens = oauth.Tokens(
            access=Secret(given["access_token"]),
            refresh=Secret(given["refresh_token"]),
            id_token=None,
            expires_in_s=3600,
            scope=None,
        )
        parties = Parties(identity, subject, there, None)
        with transaction.atomic():
            stored = grants.grant_store(parties=parties, tokens=tokens, scopes=[])
        detail = {"grant": str(stored.pk), "generation": stored.generation}
        audit.record(audit.Event("chaos.consent", subject=subject, detail=detail))


def _rage(orders: Orders, outcome: Outcome, interleavings: int) -> None:
    """Run the processes until so much has happened, and end them."""
    process = subprocess.Popen(
        ended_with_this(sys.executable, "-m", "tests.chaos.actor"),
        cwd=_CHECKOUT,
        env=os.environ
        | {
            "DATABASE_URL": database_url(),
            "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            "LOG_LEVEL": "ERROR",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as told:
        told.write(json.dumps(asdict(orders)) + "\n")
    try:
        _listen(process.stdout, outcome, interleavings, process)
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(60)


def _listen(
    said: IO[str], outcome: Outcome, interleavings: int, process: subprocess.Popen[str]
) -> None:
    for line in said:
        kind, _, what = line.strip().partition(" ")
        if kind == "did":
            outcome.done[what.rstrip("0123456789 ") or what] += 1
        elif kind == "killed":
            outcome.killed[what] += 1
        else:
            outcome.wrong.append(line.strip())
        if outcome.interleavings >= interleavings:
            process.terminate()


def _calm_down(outcome: Outcome) -> None:
    """Refresh every grant once more, with a provider that is well; nobody is killed now."""
    # What the dead claimed is given up first.
    threading.Event().wait(refreshing.ABANDONED_S)
    CredentialProvider.objects.update(refresh_not_before=None)
    asked_at = timezone.now()
    live = Grant.objects.filter(state=Grant.State.LIVE)
    live.update(next_refresh_at=PAST)
    due.refresh_due(for_s=30.0)
    for grant in live.exclude(refreshed_at__gt=asked_at):
        outcome.wrong.append(f"{grant.user_sub} is live and was not refreshed")


def _look(provider: Provider, outcome: Outcome) -> None:
    """Hold every row, the provider's memory and the trail against each other."""
    outcome.wrong += [f"a family was ended: {what}" for what in provider.ended]
    if provider.unknown:
        outcome.wrong.append(f"{provider.unknown} tokens that nobody issued")
    most = 2 if provider.grace_s else 1
    often = [spent for spent in provider.spent.values() if spent.shown > most]
    outcome.wrong += [f"{one.family.subject}: shown {one.shown} times" for one in often]
    recorded: dict[str, Counter[int]] = defaultdict(Counter)
    lapses: Counter[str] = Counter()
    for event in AuditEvent.objects.filter(action__in=["vault.refresh", "chaos.consent"]):
        if event.outcome == "allowed":
            recorded[event.detail["grant"]][event.detail["generation"]] += 1
        elif event.reason == "reconnect_needed":
            lapses[event.detail["grant"]] += 1
    rows = list(Grant.objects.select_related("provider", "workload_identity"))
    if len(rows) != _GRANTS:
        outcome.wrong.append(f"{len(rows)} grants of {_GRANTS}")
    for grant in rows:
        outcome.ends[grant.state if grant.state == "live" else f"lapsed: {grant.last_failure}"] += 1
        for generation in range(1, grant.generation + 1):
            if not recorded[str(grant.pk)][generation]:
                outcome.wrong.append(f"{grant.user_sub}: generation {generation} is not on record")
        token = grant.access_token()
        if grant.state == Grant.State.LIVE:
            if token is None or not provider.takes(token.reveal(), grant.user_sub):
                outcome.wrong.append(f"{grant.user_sub}: the provider does not take its token")
        elif grant.last_failure != "unanswered":
            outcome.wrong.append(f"{grant.user_sub}: lapsed for {grant.last_failure}")
        elif not lapses[str(grant.pk)]:
            outcome.wrong.append(f"{grant.user_sub}: lapsed without a word in the trail")
