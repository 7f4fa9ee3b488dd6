from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.secret import Secret
from core.wire import sigv4
from core.wire.canonical import SignedRequest, is_plain_path
from core.wire.sigv4 import Reason, SignatureRefused
from tests.core.wire.signing import AT, KEY_ID, REGION, SECRET, SERVICE, signed, verify

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/concierge-a1b2c3d4e5"
INVOKE = f"/runtimes/{quote(ARN, safe='')}/invocations?qualifier=DEFAULT"
DAY_S = 24 * 3600


def accepts(request: SignedRequest, **how: Any) -> bool:
    return verify(request, **how).access_key_id == KEY_ID


def refusal(request: SignedRequest, **how: Any) -> Reason:
    with pytest.raises(SignatureRefused) as caught:
        verify(request, **how)
    assert (caught.value.aws, caught.value.status) == ("AccessDeniedException", 403)
    assert SECRET.reveal() not in f"{caught.value} {caught.value.message}"
    return caught.value.reason


def with_header(request: SignedRequest, name: str, value: str | None) -> SignedRequest:
    """Return the request with this header replaced, or gone."""
    kept = tuple(pair for pair in request.headers if pair[0] != name.encode())
    added = () if value is None else ((name.encode(), value.encode("latin-1")),)
    return replace(request, headers=(*kept, *added))


def header(request: SignedRequest, name: str) -> str:
    return dict(request.headers)[name.encode()].decode()


# --- what botocore signs is accepted -------------------------------------------------------------

SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(
    lambda text: quote(text, safe="")
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
# Names of its own are a presigned request's; see below for what happens to those.
NAMES_OF_QUERIES = SEGMENTS.filter(lambda name: not name.startswith("X-Amz-"))
QUERIES = st.dictionaries(NAMES_OF_QUERIES, SEGMENTS, max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs.items())
)
HEADERS = st.lists(
    st.tuples(
        st.from_regex(r"x-(amz-)?q[a-z0-9-]{0,8}", fullmatch=True),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc", "Zs"]) | st.just(" ")),
    ),
    max_size=4,
)


@settings(deadline=None)  # the machine may be busy
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=PATHS.filter(lambda path: is_plain_path(path.encode())),
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=64),
)
def test_any_request_that_botocore_signs_is_accepted(
    method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    target = f"{path}?{query}" if query else path

    verified = verify(signed(method, target, headers=headers, body=body))

    assert verified.access_key_id == KEY_ID
    assert not verified.presigned


@settings(deadline=None)  # the machine may be busy
@given(path=PATHS.filter(lambda path: is_plain_path(path.encode())), query=QUERIES)
def test_any_request_that_botocore_presigns_is_accepted(path: str, query: str) -> None:
    verified = verify(signed("GET", f"{path}?{query}", expires_s=60))

    assert verified.access_key_id == KEY_ID
    assert verified.presigned


@pytest.mark.parametrize(
    "target",
    [
        INVOKE,
        "/runtimes/",
        "/tags/arn%3Aaws%3Ax?tagKeys=b&tagKeys=a&tagKeys=a%26b",
        "/a%20b/%E4%BB%A3%E8%A1%8C/%25",
        "/a~b_c-d.e?x",
        "/?b=2&a=1&a=0&A=3",
    ],
)
@pytest.mark.parametrize("expires_s", [None, 300])
def test_paths_and_queries_that_our_clients_send_are_accepted(
    target: str, expires_s: int | None
) -> None:
    assert accepts(signed("GET", target, expires_s=expires_s))


@pytest.mark.parametrize("value", ["two  spaces", "  around  ", "tab\there", "", "caf\u00e9"])
def test_white_space_in_a_header_counts_as_one_space(value: str) -> None:
    assert accepts(signed(headers=[("x-amzn-note", value)]))


def test_a_header_sent_twice_is_signed_as_both() -> None:
    request = signed(headers=[("x-amzn-note", "one"), ("x-amzn-note", "two")])

    assert accepts(request)
    assert refusal(with_header(request, "x-amzn-note", "two,one")) is Reason.MISMATCH


def test_header_names_in_capitals_are_the_same_names() -> None:
    request = signed(body=b"{}")
    shouted = tuple((name.upper(), value) for name, value in request.headers)

    assert accepts(replace(request, headers=shouted))


def test_a_query_encoded_in_another_way_means_the_same() -> None:
    request = signed("GET", "/tags/x?tagKeys=a%2Fb~")

    assert accepts(replace(request, raw_query=b"tagKeys=a/b~"))
    assert accepts(replace(request, raw_query=b"tagKeys=a%2fb%7e"))


def test_a_stated_body_hash_that_is_right_is_accepted() -> None:
    right = signed(body=b"{}").body_sha256

    assert accepts(signed(body=b"{}", headers=[("X-Amz-Content-SHA256", right)]))


# --- every signed part holds ---------------------------------------------------------------------


def changed_signature(request: SignedRequest) -> SignedRequest:
    swap = bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0")

    def changed(text: bytes) -> bytes:
        before, mark, after = text.partition(b"Signature=")
        return before + mark + after.translate(swap) if mark else text

    return replace(
        request,
        raw_query=changed(request.raw_query),
        headers=tuple((n, changed(v) if n == b"authorization" else v) for n, v in request.headers),
    )


TAMPERED: dict[str, Callable[[SignedRequest], SignedRequest]] = {
    "method": lambda r: replace(r, method="GET"),
    "path": lambda r: replace(r, raw_path=r.raw_path.replace(b"concierge", b"greeter")),
    "encoding of the path": lambda r: replace(r, raw_path=r.raw_path.replace(b"%3A", b":")),
    "query": lambda r: replace(r, raw_query=r.raw_query.replace(b"DEFAULT", b"v2")),
    "query added": lambda r: replace(r, raw_query=r.raw_query + b"&accountId=1"),
    "query gone": lambda r: replace(r, raw_query=r.raw_query.replace(b"qualifier=DEFAULT", b"")),
    "body": lambda r: replace(r, body_sha256=signed(body=b"other").body_sha256),
    "host": lambda r: with_header(r, "host", "evil.example"),
    "signed header": lambda r: with_header(r, "x-amz-user", "bob"),
    "signature": changed_signature,
}


@pytest.mark.parametrize("expires_s", [None, 300], ids=["header", "query"])
@pytest.mark.parametrize("part", TAMPERED)
def test_it_refuses_when_a_signed_part_was_changed(part: str, expires_s: int | None) -> None:
    request = signed("POST", INVOKE, headers=[("x-amz-user", "alice")], expires_s=expires_s)

    assert accepts(request)
    assert refusal(TAMPERED[part](request)) is Reason.MISMATCH


def test_it_refuses_a_presigned_request_whose_life_was_prolonged() -> None:
    request = signed("GET", expires_s=60)
    longer = replace(request, raw_query=request.raw_query.replace(b"Expires=60", b"Expires=600"))

    assert refusal(longer) is Reason.MISMATCH


@settings(deadline=None)  # the machine may be busy
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_single_bit_of_a_signed_request_can_change(at: int, bit: int) -> None:
    request = signed("POST", INVOKE, headers=[("x-amz-user", "alice")])
    parts = [request.raw_path, request.raw_query, *(value for _, value in request.headers)]
    at %= sum(map(len, parts))
    for index, part in enumerate(parts):
        if at < len(part):
            parts[index] = part[:at] + bytes([part[at] ^ 1 << bit]) + part[at + 1 :]
            break
        at -= len(part)
    path, query, *values = parts
    names = [name for name, _ in request.headers]
    flipped = replace(
        request,
        raw_path=path,
        raw_query=query,
        headers=tuple(zip(names, values, strict=True)),
    )

    with pytest.raises(SignatureRefused):
        verify(flipped)


@pytest.mark.parametrize("expires_s", [None, 300], ids=["header", "query"])
def test_signatures_are_compared_in_constant_time(
    expires_s: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Any, Any]] = []

    def comparing(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr("core.wire.sigv4.compare_digest", comparing)
    request = signed("GET", expires_s=expires_s)

    assert accepts(request)
    assert refusal(changed_signature(request)) is Reason.MISMATCH
    assert [len(one) == len(other) == 64 for one, other in compared] == [True, True]


def test_it_refuses_another_secret() -> None:
    assert refusal(signed(), secret=Secret("another")) is Reason.MISMATCH


def test_it_refuses_an_access_key_that_does_not_exist() -> None:
    assert refusal(signed(), secret=None) is Reason.UNKNOWN_KEY


# --- what must be covered ------------------------------------------------------------------------


def test_it_refuses_an_amz_header_that_was_added_on_the_way() -> None:
    request = with_header(signed(), "x-amz-bedrock-agentcore-identity-wat", "of somebody else")

    assert refusal(request) is Reason.HEADERS


def test_a_header_that_is_not_amz_may_be_added_on_the_way() -> None:
    assert accepts(with_header(signed(), "x-forwarded-for", "192.0.2.1"))


def test_it_refuses_when_the_host_is_not_signed() -> None:
    request = signed()
    authorization = header(request, "authorization").replace("host;", "")

    assert refusal(with_header(request, "authorization", authorization)) is Reason.HEADERS


def test_it_refuses_when_a_signed_header_is_missing() -> None:
    request = with_header(signed(headers=[("x-amzn-note", "a")]), "x-amzn-note", None)

    assert refusal(request) is Reason.HEADERS


@pytest.mark.parametrize("listed", ["x-amz-date;host", "host;host;x-amz-date"])
def test_it_refuses_a_list_of_headers_that_is_not_in_order(listed: str) -> None:
    request = signed()
    authorization = header(request, "authorization").replace("host;x-amz-date", listed)

    assert refusal(with_header(request, "authorization", authorization)) is Reason.MALFORMED


@pytest.mark.parametrize(
    "stated",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "0" * 64,
        "",
    ],
)
def test_it_refuses_a_body_that_the_signature_does_not_cover(stated: str) -> None:
    request = signed(body=b"{}", headers=[("X-Amz-Content-SHA256", stated)])

    assert refusal(request) is Reason.PAYLOAD


@pytest.mark.parametrize("expires_s", [None, 60])
def test_it_refuses_a_session_token_and_says_what_to_unset(expires_s: int | None) -> None:
    request = signed(session_token="of an AWS role", expires_s=expires_s)

    with pytest.raises(SignatureRefused, match="session_token") as caught:
        verify(request)

    assert "AWS_SESSION_TOKEN" in str(caught.value.message)


@pytest.mark.parametrize("path", [b"", b"identities", b"//x", b"/a//b", b"/a/./b", b"/a/..", b"*"])
def test_it_refuses_a_path_that_a_signer_would_fold(path: bytes) -> None:
    assert refusal(replace(signed(), raw_path=path)) is Reason.PATH


# --- when, where and for whom --------------------------------------------------------------------

SKEW = timedelta(minutes=5)
TICK = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (-SKEW - TICK, Reason.NOT_YET_VALID),
        (-SKEW, None),
        (SKEW, None),
        (SKEW + TICK, Reason.EXPIRED),
    ],
)
def test_a_signature_holds_five_minutes_around_its_date(
    late: timedelta, reason: Reason | None
) -> None:
    if reason:
        assert refusal(signed(), at=AT + late) is reason
    else:
        assert accepts(signed(), at=AT + late)


@pytest.mark.parametrize(
    ("expires_s", "late_s", "reason"),
    [
        (60, -301, Reason.NOT_YET_VALID),
        (60, -300, None),
        (60, 60, None),
        (60, 61, Reason.EXPIRED),
        (7 * DAY_S, 7 * DAY_S, None),
        (7 * DAY_S, 7 * DAY_S + 1, Reason.EXPIRED),
    ],
)
def test_a_presigned_request_holds_as_long_as_it_says(
    expires_s: int, late_s: int, reason: Reason | None
) -> None:
    request = signed("GET", expires_s=expires_s)
    at = AT + timedelta(seconds=late_s)
    if reason:
        assert refusal(request, at=at) is reason
    else:
        assert accepts(request, at=at)


@pytest.mark.parametrize("expires_s", [0, -1, 7 * DAY_S + 1, 10**6])
def test_it_refuses_a_presigned_request_for_no_time_or_more_than_seven_days(
    expires_s: int,
) -> None:
    assert refusal(signed("GET", expires_s=expires_s)) is Reason.MALFORMED


def test_the_time_between_zones_is_one_time() -> None:
    assert accepts(signed(at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC)), at=AT.astimezone(None))


@pytest.mark.parametrize(
    "how", [{"region": "eu-west-1"}, {"service": "s3"}, {"service": "bedrock"}], ids=str
)
@pytest.mark.parametrize("expires_s", [None, 60])
def test_it_refuses_a_signature_for_another_place(
    how: dict[str, Any], expires_s: int | None
) -> None:
    assert refusal(signed("GET", expires_s=expires_s, **how)) is Reason.SCOPE


def test_it_refuses_a_scope_of_another_day() -> None:
    request = signed()
    authorization = header(request, "authorization").replace("/20261122/", "/20261121/")

    assert refusal(with_header(request, "authorization", authorization)) is Reason.SCOPE


# --- what is no signature ------------------------------------------------------------------------


def test_it_refuses_a_request_without_any_signature() -> None:
    assert refusal(with_header(signed(), "authorization", None)) is Reason.MISSING


def test_it_refuses_a_request_signed_in_two_places() -> None:
    request = replace(signed(), raw_query=signed("GET", expires_s=60).raw_query)

    assert refusal(request) is Reason.AMBIGUOUS


@pytest.mark.parametrize(
    "value", ["Bearer eyJ0eXAi.e30.c2ln", "AWS4-ECDSA-P256-SHA256 Credential=a", "Basic", ""]
)
def test_it_refuses_other_ways_of_authorization(value: str) -> None:
    assert refusal(with_header(signed(), "authorization", value)) is Reason.ALGORITHM


def test_it_refuses_two_authorization_headers_even_where_they_are_alike() -> None:
    request = signed()
    [authorization] = [pair for pair in request.headers if pair[0] == b"authorization"]

    doubled = replace(request, headers=(*request.headers, authorization))

    assert refusal(doubled) is Reason.MALFORMED


def test_it_refuses_an_authorization_header_that_is_very_long_before_reading_it() -> None:
    request = signed()
    authorization = header(request, "authorization").replace("SignedHeaders=", "SignedHeaders=a;")
    longer = authorization.replace("a;", "a;" * 5000)

    with pytest.raises(SignatureRefused, match="malformed") as caught:
        verify(with_header(request, "authorization", longer))

    assert "longer than 8192" in str(caught.value.message)


def test_other_headers_may_be_as_long_as_the_server_lets_them() -> None:
    assert accepts(signed(headers=[("x-amzn-note", "x" * 60_000)]))


@pytest.mark.parametrize(
    ("expires_s", "good_for"),
    [(None, timedelta(minutes=5)), (60, timedelta(seconds=60))],
)
def test_a_signature_says_until_when_it_could_be_replayed(
    expires_s: int | None, good_for: timedelta
) -> None:
    unverified = sigv4.parse(
        signed("GET", expires_s=expires_s), at=AT, region=REGION, service=SERVICE
    )

    assert unverified.good_until == AT + good_for


CREDENTIAL = f"Credential={KEY_ID}/20261122/us-east-1/bedrock-agentcore/aws4_request"
NAMES = "SignedHeaders=host;x-amz-date"
DIGITS = f"Signature={'0' * 64}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"{CREDENTIAL}, {NAMES}",
        f"{CREDENTIAL}, {NAMES}, {DIGITS}, {DIGITS}",
        f"{CREDENTIAL}, {NAMES}, {DIGITS}, Extra=1",
        f"{CREDENTIAL}, {NAMES}, {DIGITS.upper()}",
        f"{CREDENTIAL}, {NAMES}, Signature={'0' * 63}",
        f"{CREDENTIAL}, {NAMES}, Signature={'A' * 64}",
        f"{CREDENTIAL},\u00a0{NAMES}, {DIGITS}",
        f"{CREDENTIAL}/more, {NAMES}, {DIGITS}",
        f"{CREDENTIAL.replace('aws4_request', 'aws3')}, {NAMES}, {DIGITS}",
        f"Credential={KEY_ID}, {NAMES}, {DIGITS}",
        f"Credential=, {NAMES}, {DIGITS}",
        f"{CREDENTIAL.replace(KEY_ID, 'k y')}, {NAMES}, {DIGITS}",
        f"{CREDENTIAL.replace(KEY_ID, 'K' * 129)}, {NAMES}, {DIGITS}",
    ],
)
def test_it_refuses_an_authorization_header_that_is_not_well_formed(value: str) -> None:
    request = with_header(signed(), "authorization", f"AWS4-HMAC-SHA256 {value}")

    assert refusal(request) is Reason.MALFORMED


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "20261122",
        "2026-11-22T12:00:00Z",
        "20261122T120000",
        "20261322T120000Z",
        "20261122T120000Z,20261122T120000Z",
        "\u00b20261122T12000Z",
    ],
)
def test_it_refuses_a_date_that_is_not_one(date: str | None) -> None:
    request = signed()
    scope_date = (date or "")[:8]
    authorization = header(request, "authorization").replace("20261122", scope_date)
    request = with_header(request, "authorization", authorization)

    assert refusal(with_header(request, "x-amz-date", date)) is Reason.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        (b"X-Amz-Expires=60", b""),
        (b"X-Amz-Expires=60", b"X-Amz-Expires=60&X-Amz-Expires=60"),
        (b"X-Amz-Expires=60", b"X-Amz-Expires=sixty"),
        (b"X-Amz-SignedHeaders=host", b"X-Amz-SignedHeaders="),
        (b"X-Amz-Date=20261122T120000Z", b"X-Amz-Date=%FF"),
    ],
    ids=["gone", "twice", "no number", "no headers", "no text"],
)
def test_it_refuses_a_presigned_query_that_is_not_well_formed(change: tuple[bytes, bytes]) -> None:
    request = signed("GET", expires_s=60)
    changed = replace(request, raw_query=request.raw_query.replace(*change))

    assert refusal(changed) in {Reason.MALFORMED, Reason.HEADERS, Reason.SCOPE}


def test_it_refuses_another_algorithm_in_a_presigned_query() -> None:
    request = signed("GET", expires_s=60)
    changed = request.raw_query.replace(b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA512")

    assert refusal(replace(request, raw_query=changed)) is Reason.ALGORITHM


# --- the result ----------------------------------------------------------------------------------


def test_only_the_check_makes_a_verified_signature() -> None:
    with pytest.raises(TypeError):
        sigv4.VerifiedSignature(KEY_ID, AT, presigned=False, _made_by=object())


def test_an_unverified_signature_shows_no_secret() -> None:
    unverified = sigv4.parse(signed(), at=AT, region=REGION, service=SERVICE)

    assert SECRET.reveal() not in repr((unverified, sigv4.check(unverified, SECRET)))


def test_the_key_of_a_day_is_derived_once() -> None:
    secret = Secret("a secret used in this test alone")
    before = sigv4._signing_key.cache_info()
    for path in ("/a", "/b", "/c"):
        verify(signed("GET", path, secret=secret), secret=Secret(secret.reveal()))
    after = sigv4._signing_key.cache_info()

    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)


@settings(deadline=None)  # the machine may be busy
@given(
    raw_path=st.binary(max_size=40),
    raw_query=st.binary(max_size=200),
    headers=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=200)), max_size=6),
    authorization=st.binary(max_size=200) | st.just(b""),
)
def test_nothing_that_arrives_breaks_the_parser(
    raw_path: bytes, raw_query: bytes, headers: list[tuple[bytes, bytes]], authorization: bytes
) -> None:
    arrived = ((b"authorization", b"AWS4-HMAC-SHA256 " + authorization), *headers)

    with pytest.raises(SignatureRefused):
        verify(SignedRequest("POST", b"/" + raw_path, raw_query, arrived, "0" * 64))
