"""What this site keeps about a person, as one file for them to take away: a JSON object.

It holds what the pages show them, and nothing that opens anything: no token, session or address.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation

from core import audit, database
from core.models import User
from portal import exports
from portal.activity import Asked, page
from portal.models import Conversation
from portal.selectors import thread_of
from portal.signed_in import places_of
from vault.asked.scopes import ScopeInWords
from vault.holdings.selectors import connections_of, ended_of

_CHUNK_CHARS = 64 * 1024


def data_download(*, user: User) -> AsyncIterator[str]:
    """Return the file in chunks, made while they are sent; that it was asked for is on record.

    It is in the language that is active now.

    Raises:
        AuditUnavailable: nothing is given out.
    """
    audit.record(audit.Event("person.data.downloaded", subject=user.subject))
    return _sent(pieces(user), language=translation.get_language())


def pieces(user: User) -> Iterator[str]:
    """Yield the file. The database is asked for no more than one conversation or page at a time."""
    yield f'{{\n"profile": {_json(_profile(user))}'
    yield f',\n"connections": {_json(_connections(user))}'
    yield f',\n"ended_connections": {_json(_ended(user))}'
    yield f',\n"signed_in": {_json(_places(user))}'
    yield ',\n"conversations": '
    yield from _array(_conversations(user))
    yield ',\n"activity": '
    yield from _array(_activity(user))
    yield "\n}\n"


async def _sent(made: Iterator[str], *, language: str | None) -> AsyncIterator[str]:
    def chunk(rest: Iterator[str]) -> str:
        taken, size = list[str](), 0
        with translation.override(language):
            for piece in rest:
                taken.append(piece)
                size += len(piece)
                if size >= _CHUNK_CHARS:
                    break
        return "".join(taken)

    while text := await database.on_thread(chunk, made):
        yield text


def _profile(user: User) -> dict[str, Any]:
    roles = user.roles.order_by("name").values_list("name", flat=True)
    return {
        "issuer": user.iss,
        "subject": user.sub,
        "name": user.name,
        "email": user.email,
        "since": user.date_joined,
        "roles": list(roles),
    }


def _connections(user: User) -> list[dict[str, Any]]:
    return [
        {
            "service": one.provider,
            "agent": one.agent,
            "scopes": _scopes(one.scopes),
            "granted_at": one.granted_at,
            "last_used_at": one.last_used_at,
            "state": one.state,
        }
        for one in connections_of(user.subject)
    ]


def _ended(user: User) -> list[dict[str, Any]]:
    return [
        {
            "service": one.provider,
            "agent": one.agent,
            "ended_at": one.ended_at,
            "by": "person" if one.by_person else "administrator",
            "outcome": one.outcome,
        }
        for one in ended_of(user.subject)
    ]


def _places(user: User) -> list[dict[str, Any]]:
    return [
        {"browser": one.browser, "since": one.started_at, "last_seen_at": one.seen_at}
        for one in places_of(user)
    ]


def _conversations(user: User) -> Iterator[str]:
    own = Conversation.objects.filter(user=user, deleted_at=None)
    for pk in list(own.order_by("created_at", "pk").values_list("pk", flat=True)):
        found = own.select_related("agent").filter(pk=pk).first()
        if found is not None:  # else it was deleted meanwhile
            yield exports.as_json(found, thread_of(found)).rstrip()


def _activity(user: User) -> Iterator[str]:
    before, is_first = "", True
    while before or is_first:
        found, before = page(user.subject, Asked(before=before))
        is_first = False
        for deed in found:
            yield _json(
                {
                    "at": deed.at,
                    "action": deed.action,
                    "outcome": deed.outcome,
                    "words": deed.what,
                    "agent": deed.agent,
                    "service": deed.provider,
                    "scopes": _scopes(deed.scopes),
                    "through": deed.through,
                }
            )


def _scopes(found: list[ScopeInWords]) -> list[dict[str, str]]:
    return [{"name": one.name, "words": one.words} for one in found]


def _array(items: Iterator[str]) -> Iterator[str]:
    yield "["
    between = "\n"
    for item in items:
        yield between + item
        between = ",\n"
    yield "]"


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
