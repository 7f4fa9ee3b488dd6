"""What makes a token one that its issuer signed (RFC 7515, RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from core import jose
from core.jose import TokenRejected, check_signature, parse, tokens
from core.jose.keys import fits, import_keys
from tests.fixtures.issuer import Issuer, Key, signing_key

NOBODY = Issuer("https://issuer.example")
RSA = signing_key("first")


def public(key: Key) -> jose.Key:
    return type(key).import_key(key.as_dict(private=False))


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], signature: bytes = b"", **claims: Any) -> str:
    parts = (json.dumps(part).encode() for part in (header, NOBODY.claims(**claims)))
    return ".".join([*(b64(part) for part in parts), b64(signature)])


def verified(token: str, key: Key | None = RSA) -> jose.Claims:
    return check_signature(parse(token), public(key) if key else None)


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        *(("RSA", f"{family}{bits}") for family in ("RS", "PS") for bits in (256, 384, 512)),
        *(("EC", "ES256"), ("OKP", "Ed25519"), ("OKP", "EdDSA")),
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_token_of_every_allowed_algorithm_verifies(kind: str, alg: str) -> None:
    key = signing_key("k", kind)

    assert verified(NOBODY.token(key=key, alg=alg, sub="bob"), key)["sub"] == "bob"


@pytest.mark.parametrize("curve", ["P-384", "P-521"])
def test_the_larger_curves_verify(curve: str) -> None:
    key = ECKey.generate_key(curve, {"kid": "k"})
    alg = {"P-384": "ES384", "P-521": "ES512"}[curve]

    assert verified(NOBODY.token(key=key, alg=alg), key)["sub"] == "alice"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, [], ["RS256"], {}])
def test_an_unsigned_token_is_refused(alg: Any) -> None:
    with pytest.raises(TokenRejected) as caught:
        verified(by_hand({"alg": alg, "kid": "first"}))

    assert caught.value.code == "algorithm_not_allowed"


def _hmac_secrets() -> list[bytes]:
    as_public = RSAKey.import_key(RSA.as_dict(private=False))
    return [
        as_public.as_pem(private=False),
        as_public.as_der(private=False),
        json.dumps(as_public.as_dict(private=False)).encode(),
        b"",
    ]


@pytest.mark.parametrize("secret", _hmac_secrets(), ids=["pem", "der", "jwk", "empty"])
@pytest.mark.parametrize("alg", ["HS256", "HS512"])
def test_the_public_key_does_not_serve_as_a_shared_secret(alg: str, secret: bytes) -> None:
    unsigned = by_hand({"alg": alg, "kid": "first"}).rpartition(".")[0]
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[alg]
    mac = hmac.new(secret, unsigned.encode(), digest).digest()

    with pytest.raises(TokenRejected) as caught:
        verified(f"{unsigned}.{b64(mac)}")

    assert caught.value.code == "algorithm_not_allowed"


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    own = signing_key("own")
    token = NOBODY.token(key=own, header={"jwk": own.as_dict(private=False), "kid": "first"})

    with pytest.raises(TokenRejected) as caught:
        verified(token)

    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_an_address_in_the_header_is_not_asked(name: str, issuer: Issuer) -> None:
    token = NOBODY.token(key=signing_key("own"), header={name: issuer.url + "/jwks"})

    with pytest.raises(TokenRejected):
        verified(token)

    assert issuer.asked == []


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "b64", None])
def test_a_critical_extension_is_refused(crit: Any) -> None:
    header = {"alg": "RS256", "kid": "first", "crit": crit, "b64": False}

    with pytest.raises(TokenRejected) as caught:
        verified(by_hand(header))

    assert caught.value.code == "critical_header"


@pytest.mark.parametrize(
    ("alg", "kind"), [("RS256", "EC"), ("ES256", "RSA"), ("ES256", "OKP"), ("Ed25519", "RSA")]
)
def test_an_algorithm_and_a_key_of_another_kind_do_not_meet(alg: str, kind: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        verified(by_hand({"alg": alg, "kid": "k"}, b"x" * 64), signing_key("k", kind))

    assert caught.value.code == "key_mismatch"


def test_a_key_made_for_one_algorithm_verifies_no_other() -> None:
    key = RSAKey.import_key({**RSA.as_dict(private=True), "alg": "RS256"})

    with pytest.raises(TokenRejected):
        verified(NOBODY.token(key=RSA, alg="PS256"), key)


def test_another_issuers_key_of_the_same_id_does_not_verify() -> None:
    other = RSAKey.generate_key(2048, {"kid": "first"})

    with pytest.raises(TokenRejected) as caught:
        verified(NOBODY.token(key=other))

    assert caught.value.code == "bad_signature"


def test_without_a_key_nothing_verifies() -> None:
    with pytest.raises(TokenRejected) as caught:
        verified(NOBODY.token(), None)

    assert caught.value.code == "unknown_key"
    assert "first" in caught.value.detail


def test_no_character_of_a_token_can_be_changed() -> None:
    token = NOBODY.token()
    step = 7  # every seventh, which keeps this short and still meets each part often

    for position in range(0, len(token), step):
        changed = "A" if token[position] != "A" else "B"
        with pytest.raises(TokenRejected):
            verified(token[:position] + changed + token[position + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "a.b", "a.b.c.d.e", "not a token", "é.é.é", "a.b.c"),
        *("e30.e30", "e30.W10.e30", "W10.e30.e30", "bnVsbA.bnVsbA.", "e30=.e30=.e30="),
        pytest.param(b64(b"[" * 50_000) + ".e30.e30", id="nested deeply"),
        pytest.param(b64(b"1" * 5_000) + ".e30.e30", id="a number of 5000 digits"),
        pytest.param(b64(b"\xff\xfe") + ".e30.e30", id="not UTF-8"),
        pytest.param("e30." + "A" * 131_072 + ".e30", id="too long"),
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        verified(token)

    assert caught.value.code in {"malformed", "algorithm_not_allowed"}


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,30}(\.[A-Za-z0-9_-]{0,30}){2}"))
def test_any_text_at_all_is_refused_and_breaks_nothing(text: str) -> None:
    with pytest.raises(TokenRejected):
        verified(text)


def test_a_header_with_a_certificate_chain_and_private_parameters_is_read() -> None:
    token = NOBODY.token(header={"x5t": "abc", "pi.atm": "1", "x5c": ["M" * 3000]})

    assert verified(token)["sub"] == "alice"


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    token = NOBODY.token(key=signing_key("own"), email="alice@example.com")

    with pytest.raises(TokenRejected) as caught:
        verified(token)

    assert not set(token.split(".")) & set(f"{caught.value} {caught.value.message}".split())


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_key_sets_leave_out_what_cannot_sign_for_an_issuer() -> None:
    weak = RSAKey.generate_key(1024, {"kid": "weak"})
    listed = [
        {"kty": "oct", "kid": "shared", "k": b64(b"k" * 32)},
        {**weak.as_dict(private=False)},
        {**RSA.as_dict(private=False), "kid": "for encryption", "use": "enc"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "unheard of", "kid": "odd"},
        {"kid": "nothing"},
        "not an object",
        None,
        RSA.as_dict(private=False),
        {k: v for k, v in signing_key("e", "EC").as_dict(private=False).items() if k != "kid"},
    ]

    keys = import_keys({"keys": listed})

    assert set(keys) == {"first", ""}
    assert not any(isinstance(key, OKPKey) for key in keys.values())


@pytest.mark.parametrize("jwks", [{}, {"keys": None}, {"keys": "x"}, {"keys": {"a": 1}}])
def test_a_key_set_without_a_list_is_refused(jwks: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        import_keys(jwks)


@pytest.mark.parametrize(
    ("marked", "alg", "good"),
    [
        ({}, "PS256", True),
        ({"alg": "RS256"}, "RS256", True),
        ({"alg": "RS256"}, "PS256", False),
        ({"alg": "RS256"}, "RS512", False),
        ({"alg": "RSA-OAEP"}, "RS256", False),
    ],
)
def test_a_key_serves_the_algorithm_that_it_names_and_no_other(
    marked: dict[str, Any], alg: str, good: bool
) -> None:
    entry = {**RSA.as_dict(private=False), **marked}
    key = import_keys({"keys": [entry]})["first"]

    problem = tokens.use_problem(parse(NOBODY.token(alg=alg)), key)

    assert (problem.code if problem else None) == (None if good else "key_mismatch")


@pytest.mark.parametrize(
    "marked", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"kid": 7}]
)
def test_a_key_that_is_not_for_signatures_is_no_key(marked: dict[str, Any]) -> None:
    assert import_keys({"keys": [{**RSA.as_dict(private=False), **marked}]}) == {}


def test_a_key_without_a_name_serves_both_names_of_its_algorithm() -> None:
    key = import_keys({"keys": [signing_key("k", "OKP").as_dict(private=False)]})["k"]

    assert fits(key, "EdDSA")
    assert fits(key, "Ed25519")
    assert not fits(key, "ES256")


@pytest.mark.parametrize(
    "claims",
    [
        b'{"sub":"alice","sub":"bob"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":-Infinity}',
        b'\xef\xbb\xbf{"sub":"alice"}',
        '{"sub":"alice"}'.encode("utf-16"),
        b'{"sub":"alice"} x',
        b"",
        b"null",
    ],
)
def test_claims_that_two_readers_could_read_differently_are_malformed(claims: bytes) -> None:
    header = b64(b'{"alg":"RS256","kid":"first"}')

    with pytest.raises(TokenRejected) as caught:
        parse(f"{header}.{b64(claims)}.AAAA")

    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "header",
    [{"kid": 7}, {"kid": None}, {"typ": ["JWT"]}, {"x5c": ["M" * 20_000]}],
    ids=["kid", "no kid", "typ", "huge"],
)
def test_a_header_of_wrong_types_is_malformed(header: dict[str, Any]) -> None:
    with pytest.raises(TokenRejected) as caught:
        parse(by_hand({"alg": "RS256", **header}))

    assert caught.value.code == "malformed"


@pytest.mark.parametrize("b64_says", [False, 0, "false", None])
def test_a_payload_that_is_not_encoded_is_refused_though_nothing_marks_it(b64_says: Any) -> None:
    with pytest.raises(TokenRejected) as caught:
        verified(by_hand({"alg": "RS256", "kid": "first", "b64": b64_says}))

    assert caught.value.code == "critical_header"
