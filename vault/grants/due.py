"""Refreshing ahead of expiry whatever is due: many grants at once, on one event loop.

A run has a lane for each provider with something due. A lane claims no more than it can send at
once, so that a process that dies leaves few marks; answers are stored the moment they come, what
comes within some milliseconds together. Any number of processes may run at the same time: rows are
claimed with SKIP LOCKED, how much is under way at a provider is counted in the database, and until
when it is left alone stands there too.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.models import WorkloadIdentity
from core import lanes, oauth, refreshing
from core.database import on_thread
from core.errors import AppError
from core.lanes import GoesOn
from core.models import User
from core.refreshing import Claim, Settled, Spent
from vault.grants import renewal
from vault.grants.renewal import Line
from vault.models import CredentialProvider, Grant

log = logging.getLogger(__name__)

# A lane begins with so many requests at once, takes one more for each answer, and half as many
# after each failure: a provider that is away costs a few attempts and not one for each grant.
_FIRST_WINDOW = 2
# How long a provider is left alone that is away, and says nothing of when to come back.
_REST_S = (10.0, 30.0)
# What is due but may not be used, since somebody is switched off, is looked at again so much later.
_IDLE_S = (600.0, 1200.0)
_GATHER_S = 0.01
_STORE_FOR_S, _RETRY_STORE_S = 5.0, 0.5


def refresh_due(*, for_s: float = 60.0, stopping: threading.Event | None = None) -> int:
    """Refresh what is due, and return how many grants were taken on. Ends as `lanes.serve`."""
    store = _Store()

    async def lane(provider: CredentialProvider, goes_on: GoesOn) -> int:
        return await _Lane(provider, store, goes_on).serve()

    return lanes.serve(_providers_with_due, lane, for_s=for_s, stopping=stopping)


class _Lane:
    """What is under way at one provider."""

    def __init__(self, provider: CredentialProvider, store: _Store, goes_on: GoesOn) -> None:
        self._taken = 0
        self._provider = provider
        self._store = store
        self._goes_on = goes_on
        self._window = _FIRST_WINDOW
        self._under_way = 0
        self._one_ended = asyncio.Event()

    async def serve(self) -> int:
        """Refresh what is due, and return how many grants that were. The boundary."""
        try:
            line = await self._line()
            if line is not None:
                await self._send_what_is_due(line)
        except Exception:
            log.exception("vault.refresh.lane_failed")
        return self._taken

    async def _line(self) -> Line | None:
        """Return the line to the provider; None: there is none now, and it is left alone."""
        try:
            return await on_thread(Line.to, self._provider, may_wait=True)
        except AppError as exc:
            log.warning(
                "vault.refresh.lane_closed",
                extra={"provider": self._provider.name, "reason": exc.code, "detail": exc.detail},
            )
            await self._rest()
            return None

    async def _send_what_is_due(self, line: Line) -> None:
        async with asyncio.TaskGroup() as sent:
            while True:
                room = await self._room()
                if not self._goes_on():
                    return
                claims = await on_thread(partial(_claim, self._provider), room)
                self._taken += len(claims)
                self._under_way += len(claims)
                for claim in claims:
                    sent.create_task(self._refresh(claim, line))
                if not self._under_way:
                    return
                if len(claims) < room:
                    # Nothing more is due, or other workers have the rest of what it takes.
                    self._window = self._under_way

    async def _room(self) -> int:
        """Return how many more may be sent, once that is worth a query."""
        while self._under_way and self._window - self._under_way < max(self._window // 4, 1):
            self._one_ended.clear()
            await self._one_ended.wait()
        return self._window - self._under_way

    async def _refresh(self, claim: Claim[Grant], line: Line) -> None:
        answer: oauth.Tokens | oauth.OAuthError
        try:
            try:
                answer = await line.aspend(claim.token)
            except oauth.OAuthError as exc:
                answer = exc
            await self._store.settle(Spent(claim, answer))
            await self._learn(answer)
        except Exception:
            # The mark stays, as after a crash; the others go on.
            log.exception("vault.refresh.failed", extra={"grant": str(claim.row.pk)})
        finally:
            self._under_way -= 1
            self._one_ended.set()

    async def _learn(self, answer: oauth.Tokens | oauth.OAuthError) -> None:
        if isinstance(answer, oauth.Tokens | oauth.GrantRejected):
            self._window = min(self._window + 1, self._provider.refresh_at_once)
        elif self._window > 1:
            self._window //= 2
        else:
            await self._rest()

    async def _rest(self) -> None:
        for_s = random.uniform(*_REST_S)  # noqa: S311  (spread, not secrecy)
        await on_thread(
            lambda provider: renewal.provider_rest(provider=provider, for_s=for_s), self._provider
        )


class _Store:
    """Settles answers: those that come in together, in one transaction."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Spent[Grant], asyncio.Future[None]]] = []
        self._busy: asyncio.Task[None] | None = None

    async def settle(self, spent: Spent[Grant]) -> None:
        """Return once `spent` is stored and on record. Raises what kept it from being so."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((spent, stored))
        if self._busy is None or self._busy.done():
            self._busy = asyncio.create_task(self._work())
        await stored

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER_S)
            together, self._waiting = self._waiting, []
            try:
                await on_thread(_settle, [spent for spent, _ in together])
            except Exception:
                log.exception("vault.refresh.stored_one_by_one")
                for spent, stored in together:
                    await self._settle_alone(spent, stored)
            else:
                for _, stored in together:
                    stored.set_result(None)

    async def _settle_alone(self, spent: Spent[Grant], stored: asyncio.Future[None]) -> None:
        """Store one answer, of which this process has the only copy, for as long as it is ours."""
        until = time.monotonic() + _STORE_FOR_S
        while not stored.done():
            try:
                await on_thread(_settle, [spent])
            except Exception as exc:  # noqa: BLE001  (whoever waits for it logs it)
                if time.monotonic() > until:
                    stored.set_exception(exc)
                else:
                    await asyncio.sleep(_RETRY_STORE_S)
            else:
                stored.set_result(None)


def _settle(spent: list[Spent[Grant]]) -> list[Settled[Grant]]:
    return refreshing.settle(spent, record=renewal.record)


def _providers_with_due(at: datetime) -> list[CredentialProvider]:
    """Return the providers that may be asked now and have something due, in any order."""
    due = Grant.objects.filter(
        provider=OuterRef("pk"), state=Grant.State.LIVE, next_refresh_at__lte=at
    )
    return list(_open(at).filter(Exists(due)).order_by("?"))


def _open(at: datetime) -> QuerySet[CredentialProvider]:
    return CredentialProvider.objects.filter(
        Q(refresh_not_before=None) | Q(refresh_not_before__lte=at), enabled=True
    )


def _claim(provider: CredentialProvider, room: int) -> list[Claim[Grant]]:
    """Return claims on at most `room` grants that are due, marked and committed.

    The provider's row is held meanwhile, so that all workers together keep to what it takes.
    """
    while True:
        now = timezone.now()
        with transaction.atomic(durable=True):
            held = _open(now).select_for_update(no_key=True).filter(pk=provider.pk).first()
            if held is None:
                return []
            abandoned = now - timedelta(seconds=refreshing.ABANDONED_S)
            under_way = Grant.objects.filter(
                provider=held, spending_by__isnull=False, spending_since__gt=abandoned
            ).count()
            room = min(room, held.refresh_at_once - under_way)
            heads = _with_parties(_due(held, at=now)[:room], held) if room > 0 else []
            usable = [grant for grant in heads if _is_in_use(grant)]
            _put_aside([grant for grant in heads if not _is_in_use(grant)])
            claims, _ended = refreshing.claim(
                usable, grace_s=held.refresh_grace_s, record=renewal.record
            )
        if claims or not heads:
            return claims


def _due(provider: CredentialProvider, *, at: datetime) -> QuerySet[Grant]:
    switched_off = User.objects.filter(
        iss=OuterRef("user_iss"), sub=OuterRef("user_sub"), is_active=False
    )
    due = Grant.objects.filter(provider=provider, next_refresh_at__lte=at)
    return (
        refreshing.claimable(due)
        .annotate(person_is_off=Exists(switched_off))
        .order_by("next_refresh_at")
    )


def _with_parties(due: QuerySet[Grant], provider: CredentialProvider) -> list[Grant]:
    """Return grants, with their provider and workload identities: many grants have few of those."""
    grants = list(due)
    identities = WorkloadIdentity.objects.select_related("agent").in_bulk(
        {grant.workload_identity_id for grant in grants}
    )
    for grant in grants:
        grant.provider = provider
        grant.workload_identity = identities[grant.workload_identity_id]
    return grants


def _is_in_use(grant: Grant) -> bool:
    """Say whether everybody is switched on who acts in `grant`, a row of `_due`."""
    agent = getattr(grant.workload_identity, "agent", None)
    return (
        grant.workload_identity.enabled
        and (agent is None or agent.enabled)
        and not getattr(grant, "person_is_off")  # noqa: B009  (an annotation)
    )


def _put_aside(grants: list[Grant]) -> None:
    """Look at `grants` again later: their reader refreshes them if they are needed before."""
    if grants:
        delay_s = random.uniform(*_IDLE_S)  # noqa: S311  (spread, not secrecy)
        Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
            next_refresh_at=timezone.now() + timedelta(seconds=delay_s)
        )
