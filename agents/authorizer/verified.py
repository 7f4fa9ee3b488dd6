"""Tokens whose signature this process has checked, until they expire.

What is kept is that one key signed them, and what they say. Whether the issuer still publishes that
very key, the times, and the agent's rule are looked at with every call; so are the person and the
policies, which are no matter of the token.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from core import jose

# A claim takes a few times the room that it has in the token.
_MAX_TOKENS = 10_000
_MAX_CHARS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """A token that `key` has signed. What it says is not verified by anything else."""

    token: jose.UnverifiedToken
    key: jose.Key
    chars: int


class VerifiedTokens:
    """By the hash of the token, so that no token is kept. The least recently used go first."""

    def __init__(self, *, max_tokens: int = _MAX_TOKENS, max_chars: int = _MAX_CHARS) -> None:
        self._max_tokens = max_tokens
        self._max_chars = max_chars
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, bytes], Signed] = OrderedDict()
        self._chars = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, unverified_token: str, discovery_url: str) -> Signed | None:
        """Return what was kept of a token by `put`, for the issuer at `discovery_url`."""
        key = _hashed(unverified_token, discovery_url)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, token: jose.UnverifiedToken, key: jose.Key, discovery_url: str) -> None:
        """Keep that `key` has signed `token`."""
        chars = len(token.raw)
        hashed = _hashed(token.raw, discovery_url)
        without_text = jose.UnverifiedToken("", token.header, token.claims)
        with self._lock:
            self._drop(hashed)
            self._kept[hashed] = Signed(without_text, key, chars)
            self._chars += chars
            while len(self._kept) > self._max_tokens or self._chars > self._max_chars:
                self._drop(next(iter(self._kept)))

    def drop(self, unverified_token: str, discovery_url: str) -> None:
        """Forget a token, as one that is not good any more."""
        with self._lock:
            self._drop(_hashed(unverified_token, discovery_url))

    def forget(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._kept.clear()
            self._chars = 0

    def _drop(self, hashed: tuple[str, bytes]) -> None:
        dropped = self._kept.pop(hashed, None)
        self._chars -= dropped.chars if dropped else 0


def _hashed(unverified_token: str, discovery_url: str) -> tuple[str, bytes]:
    return discovery_url, sha256(unverified_token.encode("utf-8", "surrogatepass")).digest()
