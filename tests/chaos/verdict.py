"""Afterwards: every row, the providers' memory, the trail and what readers saw, held together."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from core.models import AuditEvent
from tests.chaos.life import Life, Read
from tests.chaos.provider import Provider, mark_of
from tests.chaos.world import Owner
from vault.models import Grant, Revocation


def wrongs(life: Life, lost: Counter[str], ends: Counter[str]) -> Iterator[str]:
    """Yield what must not be. `lost` are the refresh tokens whose answer no process could store.

    Counts in `ends` how the grants ended.
    """
    for provider in life.providers.values():
        yield from _at_the_provider(provider)
    yield from _read(life)
    yield from _recorded(life)
    for owner in life.world.owners:
        yield from _held(life, owner, lost, ends)
    yield from _orphans(life, lost)
    for owner, token in life.lapsed:
        ends[f"{owner.provider.name}: reconnect needed, and consented anew"] += 1
        if not lost[mark_of(token)]:
            yield f"{owner}: lapsed, although no answer was lost"
    if waiting := Revocation.objects.count():
        yield f"{waiting} tokens whose end the provider was not told"


def _at_the_provider(provider: Provider) -> Iterator[str]:
    yield from (f"a family was revoked: {what}" for what in provider.ended)
    if provider.unknown:
        yield f"{provider.name}: {provider.unknown} tokens that nobody issued"
    most = 2 if provider.grace_s else 1
    for spent in provider.spent.values():
        if spent.shown > most:
            yield f"{spent.family.owner}: shown {spent.shown} times"


def _read(life: Life) -> Iterator[str]:
    """What readers got: never older than what the provider gave before the last, never going back,
    never while nothing was to be released."""
    closed = life.still_closed()
    by_owner: dict[Owner, list[Read]] = defaultdict(list)
    for read in life.reads:
        by_owner[read.owner].append(read)
        by_then = bisect_right(read.family.issued_at, read.asked_at)
        if by_then - 1 > read.serial + 1:
            yield f"{read.owner}: a token of {by_then - 1 - read.serial} refreshes before"
        for what in (read.owner, read.owner.identity, read.owner.subject, read.owner.provider):
            for since, until in closed.get(what, ()):
                if since < read.asked_at and read.answered_at < until:
                    yield f"{read.owner}: a token was released while {what} was closed"
    for owner, reads in by_owner.items():
        answered = iter(sorted(reads, key=lambda read: read.answered_at))
        last, newest = next(answered, None), (-1, -1)
        for read in sorted(reads, key=lambda read: read.asked_at):
            while last is not None and last.answered_at < read.asked_at:
                newest = max(newest, (last.family.number, last.serial))
                last = next(answered, None)
            if (read.family.number, read.serial) < newest:
                yield f"{owner}: an older token after a newer one"


def _recorded(life: Life) -> Iterator[str]:
    """Each token that left is on record, and each generation that was stored."""
    released = Counter(
        AuditEvent.objects.filter(action="vault.token.released").values_list(
            "subject_sub", "workload", "provider"
        )
    )
    for owner, reads in Counter(read.owner for read in life.reads).items():
        on_record = released[owner.subject.sub, owner.identity.name, owner.provider.name]
        if on_record < reads:
            yield f"{owner}: {reads} releases, of which {on_record} are on record"
    recorded: dict[str, set[int]] = defaultdict(set)
    for event in AuditEvent.objects.filter(
        action__in=["vault.refresh", "chaos.consent"], outcome="allowed"
    ).iterator():
        recorded[event.detail["grant"]].add(event.detail["generation"])
    for grant in Grant.objects.all():
        if missing := set(range(1, grant.generation + 1)) - recorded[str(grant.pk)]:
            yield f"{grant.user_sub}: generations {sorted(missing)} are not on record"


def _held(life: Life, owner: Owner, lost: Counter[str], ends: Counter[str]) -> Iterator[str]:
    """The owner's grant: live and good, or ended by the person, or lapsed for a lost answer."""
    grant = owner.grant()
    ends[f"{owner.provider.name}: {grant.get_state_display()}"] += 1
    if grant.state == Grant.State.REVOKED:
        if owner not in life.still_closed():
            yield f"{owner}: revoked, and nobody disconnected"
        return
    access, refresh = grant.access_token(), grant.refresh_token()
    if access is None or refresh is None:
        yield f"{owner}: {grant.state} without its tokens"
        return
    found = life.providers[owner.provider.name].family_of(access.reveal())
    if found is None or found[0].owner != str(owner):
        yield f"{owner}: holds a token of somebody else"
        return
    family, _ = found
    if grant.state == Grant.State.LIVE:
        if family.ended or family.access != access.reveal() or family.current != refresh.reveal():
            yield f"{owner}: the provider does not take its tokens"
        return
    life.abandoned.add(id(family))
    if grant.last_failure != "unanswered":
        yield f"{owner}: lapsed for {grant.last_failure}"
    elif not lost[mark_of(refresh.reveal())]:
        yield f"{owner}: lapsed, although no answer was lost"


def _orphans(life: Life, lost: Counter[str]) -> Iterator[str]:
    """Families that go on at a provider although no grant holds them: only of lost answers."""
    held = set()
    for grant in Grant.objects.filter(state=Grant.State.LIVE):
        access = grant.access_token()
        held.add(access.reveal() if access else "")
    for provider in life.providers.values():
        for family in provider.families:
            known = family.ended or family.access in held or id(family) in life.abandoned
            if not known and not lost[family.given_for]:
                yield f"{family.owner}: tokens at the provider that nobody holds, and nobody ended"
