"""A token whose header is nested as deep as can just be read is refused, and breaks nothing."""

from __future__ import annotations

import base64

import pytest

from core import jose
from core.jose import TokenRejected
from tests.fixtures.issuer import signing_key

KEY = signing_key("first")


def _token(depth: int) -> str:
    header = b'{"alg":"RS256","kid":"first","x":' + b"[" * depth + b"]" * depth + b"}"
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, b"{}"))
    return ".".join([*parts, "AAAA"])


def test_every_depth_is_refused_as_a_token() -> None:
    public = type(KEY).import_key(KEY.as_dict(private=False))
    codes = set()
    for depth in range(800, 1010):
        with pytest.raises(TokenRejected) as caught:
            jose.check_signature(jose.parse(_token(depth)), public)
        codes.add(caught.value.code)

    # The depths went from what is read without trouble to what is not read at all.
    assert codes == {"bad_signature", "malformed"}
