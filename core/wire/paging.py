"""Lists that are answered a page at a time, each page after the name that the last one ended with.

Names and not numbers of rows: what is added or deleted meanwhile makes nobody miss a row or see
one twice. `nextToken` is signed for its own operation, so that it stays ours to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet

from core.errors import invalid

_ROWS = 20  # where the caller says nothing, and the most that most lists allow

_Row = TypeVar("_Row", bound=Model)


def page(
    rows: QuerySet[_Row], *, operation: str, asked: Mapping[str, Any]
) -> tuple[list[_Row], str | None]:
    """Return the next rows by their unique `name`, and the token of the page after them, if any.

    `asked` is the input of the operation, of which `maxResults` and `nextToken` count.

    Raises:
        InvalidRequest: the token is none that this operation gave.
    """
    signer = signing.Signer(salt=f"core.wire.paging:{operation}")
    if "nextToken" in asked:
        try:
            rows = rows.filter(name__gt=signer.unsign_object(asked["nextToken"]))
        except signing.BadSignature:
            raise invalid("nextToken", "It is none that this operation gave.") from None
    size = asked.get("maxResults", _ROWS)
    found = list(rows.order_by("name")[: size + 1])
    if len(found) <= size:
        return found, None
    last: Any = found[size - 1]
    return found[:size], signer.sign_object(last.name)
