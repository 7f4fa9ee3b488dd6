"""Lists that are answered a page at a time, each page after the row that the last one ended with.

Names and the like, and not numbers of rows: what is added or deleted meanwhile makes nobody miss a
row or see one twice. `nextToken` is signed for its own operation, so that it stays ours to change.
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
    rows: QuerySet[_Row],
    *,
    operation: str,
    asked: Mapping[str, Any],
    by: str = "name",
    newest_first: bool = False,
) -> tuple[list[_Row], str | None]:
    """Return the next rows by a unique column, and the token of the page after them, if any.

    `asked` is the input of the operation, of which `maxResults` and `nextToken` count.

    Raises:
        InvalidRequest: the token is none that this operation gave.
    """
    signer = signing.Signer(salt=f"core.wire.paging:{operation}")
    if "nextToken" in asked:
        beyond = f"{by}__{'lt' if newest_first else 'gt'}"
        try:
            rows = rows.filter(**{beyond: signer.unsign_object(asked["nextToken"])})
        except signing.BadSignature:
            raise invalid("nextToken", "It is none that this operation gave.") from None
    size = asked.get("maxResults", _ROWS)
    found = list(rows.order_by(f"-{by}" if newest_first else by)[: size + 1])
    if len(found) <= size:
        return found, None
    return found[:size], signer.sign_object(getattr(found[size - 1], by))
