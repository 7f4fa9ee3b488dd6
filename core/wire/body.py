"""Reading the body of a request of the data plane: whole, in time, and no longer than is needed."""

from __future__ import annotations

import asyncio

from asgiref.typing import ASGIReceiveCallable

from core.errors import InvalidRequest, TooLarge

BODY_TIMEOUT_S = 20


class ClientGone(Exception):
    """The client went away before its request was whole."""


async def read_body(receive: ASGIReceiveCallable, *, max_bytes: int) -> bytes:
    """Return the body, which must arrive in time and be of a size that somebody may need.

    Raises:
        ClientGone: nobody waits for an answer.
        TooLarge, InvalidRequest: it is too large, or did not arrive in time.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone
                size += len(message["body"])
                if size > max_bytes:
                    raise TooLarge(f"The body is larger than {max_bytes} bytes.")
                chunks.append(message["body"])
                if not message["more_body"]:
                    return b"".join(chunks)
    except TimeoutError:
        raise InvalidRequest("The body did not arrive in time.", reason="CannotParse") from None
