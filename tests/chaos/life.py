"""What goes on in a storm: agents read, tokens run out, people disconnect and consent anew.

Agents read over the wire. What is done to the rows meanwhile is done here, through the services
that the site's pages call.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from django.db.models import Q

from agents.models import WorkloadIdentity
from core.database import on_thread
from core.errors import AppError
from core.models import User
from tests.chaos.provider import Family, Provider
from tests.chaos.world import ACTOR, PATH, Owner, World, consent_store, signed
from vault.ending import revocations
from vault.models import CredentialProvider, Grant

PAST = datetime(2020, 1, 1, tzinfo=UTC)
# What is drawn, and how often; whoever is asked to consent does so soon.
_SHARES = {"read": 54, "expire": 39, "disconnect": 3, "consent": 2, "switch": 2}
_SIGNED_FOR_S = 120
_ANSWER_S = 30
# Refusals that a reader may get: somebody is switched off, or it is to come again.
_CLEAN = {(403, "AccessDeniedException"), (503, "InternalServerException")}


@dataclass(frozen=True)
class Read:
    """A token that an agent was given, and when it asked and was answered."""

    owner: Owner
    family: Family
    serial: int
    asked_at: float
    answered_at: float


@dataclass
class Life:
    """What was done, and what was seen. `wrong` says what must not be."""

    world: World
    providers: dict[str, Provider]
    port: int
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)
    reads: list[Read] = field(default_factory=list)
    # By owner, and by the key of whoever was switched off: when nothing may be released.
    closed: dict[object, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    # Families that a new consent took the place of: nobody has to end them.
    abandoned: set[int] = field(default_factory=set)
    lapsed: list[tuple[Owner, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _signed: dict[Owner, tuple[float, dict[str, str], bytes]] = field(default_factory=dict)
    _taken: set[object] = field(default_factory=set)
    _closed_since: dict[object, float] = field(default_factory=dict)

    async def go_on(self, goes_on: Callable[[], bool], *, at_once: int) -> None:
        """Do one thing after the other, `at_once` of them at the same time."""
        # A connection for each request: kept ones would end up at the process that lived longest.
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_ANSWER_S),
                connector=aiohttp.TCPConnector(force_close=True),
            ) as client,
            asyncio.TaskGroup() as all_of_them,
        ):
            for _ in range(at_once):
                all_of_them.create_task(self._one_after_the_other(client, goes_on))

    async def _one_after_the_other(
        self, client: aiohttp.ClientSession, goes_on: Callable[[], bool]
    ) -> None:
        while goes_on():
            owner = self.rng.choice(self.world.owners)
            [what] = self.rng.choices(list(_SHARES), list(_SHARES.values()))
            match what:
                case "read":
                    await self._read(client, owner)
                case "expire":
                    await self._expire(owner)
                case "disconnect":
                    await self._while_refreshed(client, owner, self._disconnect)
                case "consent":
                    await self._while_refreshed(client, owner, self._consent)
                case _:
                    await self._switch(owner)

    async def _read(self, client: aiohttp.ClientSession, owner: Owner) -> None:
        """Ask for the token as the agent does, and look whose it is."""
        headers, body = await self._request(owner)
        asked_at = time.monotonic()
        try:
            url = f"http://127.0.0.1:{self.port}{PATH}"
            async with client.post(url, data=body, headers=headers) as answer:
                status, kind = answer.status, answer.headers.get("x-amzn-ErrorType", "")
                said = json.loads(await answer.read())
        except TimeoutError:
            self.wrong.append(f"{owner}: a reader got no answer")
            return
        except aiohttp.ClientConnectorError:  # all were killed, and are not there again yet
            await asyncio.sleep(0.02)
            return
        except aiohttp.ClientError:
            self.done["read, cut off"] += 1
            return
        answered_at = time.monotonic()
        if status == 200 and "accessToken" in said:
            self._look_at(owner, said["accessToken"], asked_at, answered_at)
        elif status == 200 and "authorizationUrl" in said:
            self.done["read, consent needed"] += 1
            with self._alone(owner) as mine:
                if mine:
                    await self._consent(owner, anew=False)
        elif (status, kind) in _CLEAN:
            self.done[f"read, refused {status}"] += 1
        else:
            self.wrong.append(f"{owner}: a reader got {status} {kind} {said}")

    def _look_at(self, owner: Owner, token: str, asked_at: float, answered_at: float) -> None:
        self.done["read"] += 1
        found = self.providers[owner.provider.name].family_of(token)
        if found is None or not token.startswith(f"{owner}~"):
            self.wrong.append(f"{owner}: a reader got the token of {token.partition('~')[0]}")
            return
        self.reads.append(Read(owner, *found, asked_at, answered_at))

    async def _request(self, owner: Owner) -> tuple[dict[str, str], bytes]:
        now = time.monotonic()
        until, headers, body = self._signed.get(owner, (0.0, {}, b""))
        if now > until:
            headers, body = await on_thread(lambda one: signed(self.world, one, self.port), owner)
            self._signed[owner] = (now + _SIGNED_FOR_S, headers, body)
        return headers, body

    async def _expire(self, owner: Owner) -> None:
        """Have the token run out, or be due for a refresh ahead of that."""
        columns = {"next_refresh_at": PAST}
        if self.rng.random() < 0.7:
            columns["access_expires_at"] = PAST

        def run_out(_: None) -> int:
            # What failed before keeps the time at which it is tried again.
            return Grant.objects.filter(
                user_sub=owner.subject.sub,
                workload_identity=owner.identity,
                provider=owner.provider,
                state=Grant.State.LIVE,
                failures=0,
            ).update(**columns)

        if await on_thread(run_out, None):
            self.done["expiry"] += 1

    async def _while_refreshed(
        self,
        client: aiohttp.ClientSession,
        owner: Owner,
        act: Callable[[Owner], Coroutine[Any, Any, None]],
    ) -> None:
        """Have the person do something to a grant, most often while it is refreshed."""
        with self._alone(owner) as mine:
            if mine:
                await self._expire(owner)
                async with asyncio.TaskGroup() as together:
                    together.create_task(self._read(client, owner))
                    await asyncio.sleep(self.rng.uniform(0, 0.05))
                    await act(owner)

    async def _disconnect(self, owner: Owner) -> None:
        if await on_thread(_revoke, owner):
            self.done["disconnection"] += 1
            self._close(owner)

    async def _consent(self, owner: Owner, *, anew: bool = True) -> None:
        """Have the person consent, if need be; with `anew`, in any case."""
        there = self.providers[owner.provider.name]
        before = await on_thread(_held, owner)
        if before.state == Grant.State.LIVE and not anew:
            return
        self._open(owner)
        try:
            await on_thread(lambda one: consent_store(one, there), owner)
        except AppError:  # somebody is switched off; it was closed by that, too
            return
        self.done[f"consent, {before.state} before"] += 1
        if before.access:
            found = there.family_of(before.access)
            assert found is not None
            self.abandoned.add(id(found[0]))
        if before.state == Grant.State.LAPSED:
            self.lapsed.append((owner, before.refresh))
            if before.failure != "unanswered":
                self.wrong.append(f"{owner}: lapsed for {before.failure}")

    async def _switch(self, owner: Owner) -> None:
        """Switch somebody off for a moment."""
        switch = self.rng.choice([owner.identity, owner.provider, owner.subject])
        with self._alone(switch) as mine:
            if not mine:
                return
            await on_thread(lambda _: _switched(switch, on=False), None)
            self._close(switch)
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))
            self._open(switch)
            await on_thread(lambda _: _switched(switch, on=True), None)
            self.done["switched off and on"] += 1

    @contextmanager
    def _alone(self, what: object) -> Iterator[bool]:
        """Yield whether nobody else is at it, and keep others from it meanwhile."""
        free = what not in self._taken
        if free:
            self._taken.add(what)
        try:
            yield free
        finally:
            if free:
                self._taken.discard(what)

    def _close(self, what: object) -> None:
        self._closed_since[what] = time.monotonic()

    def _open(self, what: object) -> None:
        since = self._closed_since.pop(what, None)
        if since is not None:
            self.closed[what].append((since, time.monotonic()))

    def still_closed(self) -> dict[object, list[tuple[float, float]]]:
        """Return when nothing may have been released, up to the end of time."""
        ended = {what: [(since, float("inf"))] for what, since in self._closed_since.items()}
        return {what: [*self.closed[what], *ended.get(what, [])] for what in self.closed | ended}


@dataclass(frozen=True)
class _Held:
    """What a grant was before a consent took its place."""

    state: str
    failure: str
    access: str
    refresh: str


def _held(owner: Owner) -> _Held:
    grant = owner.grant()
    access, refresh = grant.access_token(), grant.refresh_token()
    return _Held(
        grant.state,
        grant.last_failure,
        access.reveal() if access else "",
        refresh.reveal() if refresh else "",
    )


def _revoke(owner: Owner) -> bool:
    grant = owner.grant()
    if grant.state != Grant.State.LIVE:
        return False
    revocations.grant_revoke(grant=grant, actor=ACTOR)
    return True


def _switched(what: object, *, on: bool) -> None:
    if isinstance(what, WorkloadIdentity):
        WorkloadIdentity.objects.filter(pk=what.pk).update(enabled=on)
    elif isinstance(what, CredentialProvider):
        CredentialProvider.objects.filter(pk=what.pk).update(enabled=on)
    else:
        User.objects.filter(Q(sub=getattr(what, "sub", ""))).update(is_active=on)
