"""Processes of the site that are killed, as by `kill -9`, at each step of the protocol.

Nothing of the product knows of it: the functions that are its steps are wrapped in a process that
is to die, before it begins to serve.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

from core import audit, oauth, refreshing
from core.refreshing import Claim, Settled, Spent
from tests.chaos.provider import mark_of
from vault import tasks, token_read
from vault.ending import revocations
from vault.grants import due, keeping

_Step = Callable[..., Any]

# How long a request may take, and what follows from it.
TIME_OUT_S = 1.5
_SEND_S = 0.02
# Around the time after which a claim is given up, and longer than a repetition takes.
_STALL_S = (2.5, 8.0)

# The protocol's times, shortened in their proportions, so that a storm sees all of them.
_QUICK: tuple[tuple[ModuleType, str, object], ...] = (
    (oauth, "_TIMEOUT_S", TIME_OUT_S),
    (refreshing, "ABANDONED_S", 3.0),
    (refreshing, "ON_ITS_WAY_S", 2.0),
    (refreshing, "WAIT_S", 4.0),
    (refreshing, "_BACKOFF_S", (0.2, 2.0)),
    (due, "_REST_S", (0.05, 0.3)),
    (due, "_IDLE_S", (0.2, 0.4)),
    (revocations, "_TIMEOUT_S", TIME_OUT_S),
    (revocations, "_LEASE_S", 3.0),
    (revocations, "_BACKOFF_S", (0.2, 2.0)),
    (tasks, "_RUN_S", 5.0),
    (tasks, "_TELL_S", 2.0),
)


@dataclass(frozen=True)
class Orders:
    """What a storm wants. `kill_rate`: how likely a process dies at each step of the protocol."""

    seed: int
    web: int
    workers: int
    kill_rate: float
    port: int


@contextmanager
def quick() -> Iterator[None]:
    """Have this process hold to the storm's times."""
    with ExitStack() as stack:
        for module, name, value in _QUICK:
            stack.enter_context(patch.object(module, name, value))
        yield


class Mortal:
    """Kills this process at one step in so many, and says what it takes with it.

    Refresh tokens are in its hands from their claim until what came of them is stored.
    """

    def __init__(self, kind: str, *, seed: str, rate: float, say: Callable[[str], None]) -> None:
        self._kind = kind
        self._rng = random.Random(seed)  # noqa: S311  (drawn again by the seed)
        self._rate = rate
        self._say = say
        self._in_hand: set[str] = set()
        self._hand = threading.Lock()

    def arm(self) -> None:
        """Wrap the steps. For the process that is to die, and for ever."""
        for module, name, mortal in (
            (refreshing, "claim", self._around("claim")),
            (oauth, "atoken_request", self._sending),
            (refreshing, "settle", self._around("store")),
            (audit, "record_all", self._around("record")),
            (keeping, "release", self._around("release")),
            (token_read, "arelease", self._releasing),
        ):
            setattr(module, name, mortal(getattr(module, name)))

    def _may_die(self, step: str) -> None:
        if self._rng.random() < self._rate:
            self._die(step)

    def _die(self, step: str) -> None:
        with self._hand:  # no other thread claims anything more
            self._lose(*self._in_hand)
            self._say(f"killed {self._kind}, {step}")
            os.kill(os.getpid(), signal.SIGKILL)

    def _take(self, claims: Sequence[Claim[Any]]) -> None:
        with self._hand:
            self._in_hand |= {mark_of(claim.token.reveal()) for claim in claims}

    def _let_go(self, spent: Sequence[Spent[Any]], settled: Sequence[Settled[Any]]) -> None:
        for one, became in zip(spent, settled, strict=True):
            mark = mark_of(one.claim.token.reveal())
            if isinstance(one.answer, oauth.Tokens) and became.failure and became.orphan is None:
                self._lose(mark)  # it came so late that another had taken over
            with self._hand:
                self._in_hand.discard(mark)

    def _lose(self, *marks: str) -> None:
        if marks:
            self._say(f"lost {' '.join(marks)}")

    def _around(self, step: str) -> Callable[[_Step], _Step]:
        def wrap(real: _Step) -> _Step:
            @functools.wraps(real)
            def mortal(*args: Any, **kwargs: Any) -> Any:
                self._may_die(f"before {step}")
                result = real(*args, **kwargs)
                if step == "claim":
                    self._take(result[0])
                self._may_die(f"after {step}")
                if step == "store":
                    self._let_go(args[0], result)
                return result

            return mortal

        return wrap

    def _sending(self, real: _Step) -> _Step:
        async def mortal(*args: Any, form: dict[str, str], **kwargs: Any) -> oauth.Tokens:
            self._may_die("before send")
            if self._rng.random() < self._rate:
                # Anywhere between the first byte sent and the last one read.
                wait_s = self._rng.uniform(0, _SEND_S)
                asyncio.get_running_loop().call_later(wait_s, self._die, "during send")
            try:
                tokens: oauth.Tokens = await real(*args, form=form, **kwargs)
            except oauth.Unanswered:
                self._lose(mark_of(form["refresh_token"]))
                raise
            if self._rng.random() < self._rate:
                # The process, or its machine, is held up: others take over what it claimed.
                self._say(f"stalled {self._kind}")
                self._lose(mark_of(form["refresh_token"]))
                await asyncio.sleep(self._rng.uniform(*_STALL_S))
            return tokens

        return mortal

    def _releasing(self, real: _Step) -> _Step:
        async def mortal(*args: Any) -> Any:
            self._may_die("before release")
            token = await real(*args)
            self._may_die("after release")
            return token

        return mortal
