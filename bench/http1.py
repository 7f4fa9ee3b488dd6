"""As much of HTTP/1.1 as both ends of the bench speak."""

from __future__ import annotations

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CHUNKED = b"transfer-encoding: chunked"
_LAST_CHUNK = b"0\r\n\r\n"


def message(received: bytes) -> tuple[bytes, bytes] | None:
    """Return the head and the body of the message that was received, or None until it is whole.

    A body that comes in chunks is returned with their sizes in it.
    """
    head, end, body = received.partition(_END_OF_HEAD)
    if not end:
        return None
    fields = head.lower()
    _, stated, rest = fields.partition(_LENGTH)
    if stated:
        return (head, body) if len(body) >= int(rest.partition(b"\r\n")[0]) else None
    if _CHUNKED in fields and not body.endswith(_LAST_CHUNK):
        return None
    return head, body


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk (RFC 9112 section 7.1); without any, the last one."""
    return b"%x\r\n%s\r\n" % (len(data), data)
