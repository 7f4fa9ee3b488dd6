"""As much of HTTP/1.1 as both ends of the bench speak."""

from __future__ import annotations

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


def message(received: bytes) -> tuple[bytes, bytes] | None:
    """Return the head and the body of the message that was received, or None until it is whole."""
    head, end, body = received.partition(_END_OF_HEAD)
    if not end:
        return None
    _, stated, rest = head.lower().partition(_LENGTH)
    if stated and len(body) < int(rest.partition(b"\r\n")[0]):
        return None
    return head, body
