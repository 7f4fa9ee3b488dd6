"""A request as it arrived, and the one order in which its parts are read and signed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from urllib.parse import quote_from_bytes, unquote_to_bytes


@dataclass(frozen=True)
class SignedRequest:
    """What a signature covers, as it arrived: nothing decoded, nothing put in order."""

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body_sha256: str

    @cached_property
    def merged(self) -> Mapping[str, str]:
        """Return the headers as `merged_headers` does: read once, for whoever asks."""
        return MappingProxyType(merged_headers(self.headers))

    @cached_property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the query as `query_pairs` does: read once, for whoever asks."""
        return tuple(query_pairs(self.raw_query))


def query_pairs(raw_query: bytes) -> list[tuple[bytes, bytes]]:
    """Return the decoded names and values of a query string, in order.

    One reading for the signature and for the operation's input, so that nobody can change the one
    without the other. A plus sign is a plus sign: AWS clients send a space as `%20`.
    """
    pairs = []
    for part in raw_query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def merged_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers with lower-case names, values trimmed, repeated ones joined by commas."""
    merged: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        value = b" ".join(raw_value.split()).decode("latin-1")
        merged[name] = f"{merged[name]},{value}" if name in merged else value
    return merged


def is_plain_path(raw_path: bytes) -> bool:
    """Say whether the path is absolute and nothing in it would be folded away.

    A signer folds `.`, `..` and empty segments; taken as they are, one signature would cover many
    paths.
    """
    first, *segments = raw_path.split(b"/")
    return (
        not first
        and bool(segments)
        and not {b".", b".."} & set(segments)
        and (b"" not in segments[:-1])
    )


def canonical_path(raw_path: bytes) -> str:
    """Return the path quoted once more, as AWS has it for every service but S3."""
    return quote_from_bytes(raw_path, safe="/~")


def canonical_query(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the query with every name and value quoted in one way, in order."""
    quoted = ((quote_from_bytes(n, safe="~"), quote_from_bytes(v, safe="~")) for n, v in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(quoted))
