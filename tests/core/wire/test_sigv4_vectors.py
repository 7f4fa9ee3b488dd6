"""Signatures that AWS published, in its SigV4 test suite and its developer guide."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import pytest

from core.secret import Secret
from core.wire import sigv4
from core.wire.canonical import SignedRequest

UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Vector(NamedTuple):
    name: str
    signature: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: str = "example.amazonaws.com"
    service: str = "service"


FORM = "application/x-www-form-urlencoded"
VECTORS = [
    Vector("get-vanilla", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    Vector(
        "get-vanilla-query-order-key-case",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        query="Param2=value2&Param1=value1",
    ),
    Vector(
        "get-vanilla-empty-query-key",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        query="Param1=value1",
    ),
    Vector(
        "get-vanilla-query-unreserved",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        query=f"{UNRESERVED}={UNRESERVED}",
    ),
    Vector(
        "get-vanilla-utf8-query",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        query="ሴ=bar",
    ),
    Vector(
        "get-unreserved",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        path=f"/{UNRESERVED}",
    ),
    Vector(
        "get-utf8",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        path="/ሴ",
    ),
    Vector(
        "get-header-key-duplicate",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        headers=(("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")),
    ),
    Vector(
        "get-header-value-order",
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        headers=tuple(("My-Header1", f"value{n}") for n in (4, 1, 3, 2)),
    ),
    Vector(
        "get-header-value-trim",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        headers=(("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')),
    ),
    Vector(
        "post-vanilla",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        method="POST",
    ),
    Vector(
        "post-header-value-case",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        method="POST",
        headers=(("My-Header1", "VALUE1"),),
    ),
    Vector(
        "post-x-www-form-urlencoded",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        method="POST",
        headers=(("Content-Type", FORM),),
        body=b"Param1=value1",
    ),
    Vector(
        "developer guide, IAM ListUsers",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        query="Action=ListUsers&Version=2010-05-08",
        headers=(("Content-Type", f"{FORM}; charset=utf-8"),),
        host="iam.amazonaws.com",
        service="iam",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_it_accepts_the_signature_that_aws_published(vector: Vector) -> None:
    headers = (("Host", vector.host), *vector.headers, ("X-Amz-Date", "20150830T123600Z"))
    names = ";".join(sorted({name.lower() for name, _ in headers}))
    scope = f"AKIDEXAMPLE/20150830/us-east-1/{vector.service}/aws4_request"
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={vector.signature}"
    )
    request = SignedRequest(
        method=vector.method,
        raw_path=vector.path.encode(),
        raw_query=vector.query.encode(),
        headers=tuple(
            (name.encode(), value.encode())
            for name, value in (*headers, ("Authorization", authorization))
        ),
        body_sha256=sha256(vector.body).hexdigest(),
    )

    verified = sigv4.check(
        sigv4.parse(
            request,
            at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
            region="us-east-1",
            service=vector.service,
        ),
        Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    )

    assert verified.access_key_id == "AKIDEXAMPLE"
