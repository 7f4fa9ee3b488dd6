"""Rows about the token by itself: its parts, its header, whose key signed it, and with what."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.agents.authorizer.rows import (
    ALGORITHM,
    CRITICAL,
    KEY,
    KEY_USE,
    KIND,
    LET_IN,
    MALFORMED,
    SIGNATURE,
    Make,
    Outcome,
    Row,
    b64,
    by_hand,
    changed,
    claims,
    header,
    text,
)
from tests.fixtures.issuer import Issuer, Key, signing_key


def _marked(kid: str, key: Key, **parameters: Any) -> Key:
    return type(key).import_key({**key.as_dict(private=True), "kid": kid, **parameters})


_RSA = RSAKey.generate_key(2048)
_EC = ECKey.generate_key("P-256")
# What the issuer publishes. The first is an RSA key that says nothing of algorithms.
KEYS: list[Key] = [
    signing_key("first"),
    _marked("rs256", _RSA, alg="RS256", use="sig"),
    _marked("ps256", _RSA, alg="PS256"),
    _marked("verify", _RSA, key_ops=["sign", "verify"]),
    _marked("encrypt", _RSA, key_ops=["sign", "encrypt"]),
    _marked("enc", _RSA, use="enc"),
    _marked("p256", _EC),
    _marked("es384", _EC, alg="ES384"),
    ECKey.generate_key("P-384", {"kid": "p384"}),
    ECKey.generate_key("P-521", {"kid": "p521"}),
    OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    OKPKey.generate_key("Ed25519", {"kid": "eddsa", "alg": "EdDSA"}),
]
_PUBLIC = RSAKey.import_key(signing_key("first").as_dict(private=False))


def _by_key(kid: str, alg: str) -> Make:
    """Signed with the published key, whatever that key says of itself."""

    def make(issuer: Issuer) -> str:
        key = next(k for k in KEYS if k.kid == kid)
        plain = {
            name: value
            for name, value in key.as_dict(private=True).items()
            if name not in {"alg", "use", "key_ops"}
        }
        return issuer.token(alg=alg, key=type(key).import_key(plain))

    return make


def _by_stranger(make_header: dict[str, Any] | None = None, kid: str = "first") -> Make:
    def make(issuer: Issuer) -> str:
        own = signing_key("own")
        head = {"kid": kid, **(make_header or {})}
        return issuer.token(key=own, header=head)

    return make


def _mac(alg: str, secret: bytes) -> Make:
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]

    def make(issuer: Issuer) -> str:
        unsigned = by_hand({"alg": alg}, signature=b"")(issuer).rpartition(".")[0]
        return f"{unsigned}.{b64(hmac.new(secret, unsigned.encode(), digest).digest())}"

    return make


def _of(issuer: Issuer, part: int) -> str:
    return issuer.token().split(".")[part]


row = partial(Row, rule="client")


def rows(outcome: Outcome, **tokens: Make) -> list[Row]:
    return [row(name.replace("_", " "), token=t, outcome=outcome) for name, t in tokens.items()]


FORMAT = rows(
    MALFORMED,
    one_word=text("x"),
    an_opaque_token=text("gho_16C7e42F292c6912E7710c838347Ae178B4a"),
    two_parts=text("e30.e30"),
    two_points=text(".."),
    three_letters=text("a.b.c"),
    an_encrypted_token=text("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d"),
    many_parts=text("a.b." * 10),
    not_ascii=text("é.é.é"),
    many_letters=text("A" * 9000),
    a_header_alone=lambda i: _of(i, 0),
    cut_in_the_claims=lambda i: i.token()[:120],
    cut_before_the_signature=lambda i: ".".join(i.token().split(".")[:2]),
    header_is_a_list=by_hand(b"[]"),
    header_is_null=by_hand(b"null"),
    header_is_empty_text=by_hand(b""),
    header_is_no_json=by_hand(b"{alg:RS256}"),
    header_is_not_utf8=by_hand(b'{"alg":"\xff"}'),
    header_has_a_mark_before=by_hand(b'\xef\xbb\xbf{"alg":"RS256","kid":"first"}'),
    header_in_utf16=by_hand('{"alg":"RS256","kid":"first"}'.encode("utf-16")),
    header_with_alg_twice=by_hand(b'{"alg":"none","alg":"RS256","kid":"first"}'),
    header_nested_deeply=by_hand(b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    header_too_long=by_hand({"x5c": ["M" * 20_000]}),
    kid_is_a_number=by_hand({"kid": 1}),
    kid_is_null=by_hand({"kid": None}),
    kid_is_a_list=by_hand({"kid": ["first"]}),
    typ_is_a_number=by_hand({"typ": 1}),
    claims_are_a_list=by_hand(None, b"[]"),
    claims_are_a_number=by_hand(None, b"7"),
    claims_are_text=by_hand(None, b'"sub"'),
    claims_are_nothing=by_hand(None, b""),
    claims_are_no_json=by_hand(None, b"sub=alice"),
    claims_with_sub_twice=by_hand(None, b'{"sub":"alice","sub":"bob"}'),
    claims_with_something_twice_inside=by_hand(None, b'{"act":{"sub":"a","sub":"b"}}'),
    claims_with_nan=by_hand(None, b'{"exp":NaN}'),
    claims_with_infinity=by_hand(None, b'{"exp":Infinity}'),
    claims_with_a_number_of_5000_digits=by_hand(None, b'{"exp":' + b"9" * 5000 + b"}"),
    claims_nested_deeply=by_hand(None, b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    claims_not_utf8=by_hand(None, b'{"sub":"\xe9"}'),
    padded_as_plain_base64=changed(lambda t: t.replace(".", "==.", 1)),
    a_plus_in_the_header=changed(lambda t: "+" + t[1:]),
    a_blank_inside=changed(lambda t: t[:10] + " " + t[11:]),
)

ALGORITHMS = [
    *rows(
        ALGORITHM,
        none=by_hand({"alg": "none"}, signature=b""),
        None_=by_hand({"alg": "None"}, signature=b""),
        NONE=by_hand({"alg": "NONE"}, signature=b""),
        nOnE=by_hand({"alg": "nOnE"}, signature=b""),
        none_with_a_signature=by_hand({"alg": "none"}),
        no_alg=by_hand(b'{"kid":"first"}'),
        an_empty_alg=by_hand({"alg": ""}),
        alg_null=by_hand({"alg": None}),
        alg_a_number=by_hand({"alg": 256}),
        alg_a_list=by_hand({"alg": ["RS256"]}),
        alg_an_object=by_hand({"alg": {"name": "RS256"}}),
        alg_in_small_letters=by_hand({"alg": "rs256"}),
        alg_with_a_blank=by_hand({"alg": "RS256 "}),
        RS1=by_hand({"alg": "RS1"}),
        ES256K=by_hand({"alg": "ES256K"}),
        RSA_OAEP=by_hand({"alg": "RSA-OAEP"}),
        HS256_by_the_public_key_as_PEM=_mac("HS256", _PUBLIC.as_pem(private=False)),
        HS256_by_the_public_key_as_DER=_mac("HS256", _PUBLIC.as_der(private=False)),
        HS384_by_the_public_key=_mac("HS384", _PUBLIC.as_pem(private=False)),
        HS512_by_the_public_key=_mac("HS512", _PUBLIC.as_pem(private=False)),
        HS256_by_an_empty_secret=_mac("HS256", b""),
        HS256_by_a_guess=_mac("HS256", b"secret"),
    ),
    *rows(
        LET_IN,
        RS256=header("RS256"),
        RS384=header("RS384"),
        RS512=header("RS512"),
        PS256=header("PS256"),
        PS384=header("PS384"),
        PS512=header("PS512"),
        RS256_by_its_own_key=_by_key("rs256", "RS256"),
        PS256_by_its_own_key=_by_key("ps256", "PS256"),
        a_key_that_may_verify=_by_key("verify", "RS256"),
        ES256=_by_key("p256", "ES256"),
        ES384=_by_key("p384", "ES384"),
        ES512=_by_key("p521", "ES512"),
        Ed25519=_by_key("ed", "Ed25519"),
        EdDSA=_by_key("ed", "EdDSA"),
        EdDSA_by_its_own_key=_by_key("eddsa", "EdDSA"),
    ),
    *rows(
        KEY_USE,
        PS256_by_a_key_for_RS256=_by_key("rs256", "PS256"),
        RS512_by_a_key_for_RS256=_by_key("rs256", "RS512"),
        RS256_by_a_key_for_PS256=_by_key("ps256", "RS256"),
        ES256_by_a_key_that_says_ES384=_by_key("es384", "ES256"),
        ES256_by_an_RSA_key=by_hand({"alg": "ES256"}, signature=b"x" * 64),
        Ed25519_by_an_RSA_key=by_hand({"alg": "Ed25519"}, signature=b"x" * 64),
        RS256_by_an_EC_key=by_hand({"kid": "p256"}),
        PS256_by_an_Edwards_key=by_hand({"alg": "PS256", "kid": "ed"}),
        ES256_by_a_larger_curve=by_hand({"alg": "ES256", "kid": "p384"}, signature=b"x" * 64),
        ES512_by_a_smaller_curve=by_hand({"alg": "ES512", "kid": "p256"}, signature=b"x" * 132),
        Ed25519_by_a_key_of_the_older_name=_by_key("eddsa", "Ed25519"),
        EdDSA_by_an_EC_key=by_hand({"alg": "EdDSA", "kid": "p256"}, signature=b"x" * 64),
    ),
]

CRITICALS = rows(
    CRITICAL,
    crit_of_exp=by_hand({"crit": ["exp"]}),
    crit_of_b64=by_hand({"crit": ["b64"], "b64": False}),
    crit_of_something_new=by_hand({"crit": ["http://example.com/x"], "http://example.com/x": 1}),
    crit_empty=by_hand({"crit": []}),
    crit_null=by_hand({"crit": None}),
    crit_text=by_hand({"crit": "b64"}),
    b64_false_and_not_critical=by_hand({"b64": False}),
    b64_text=by_hand({"b64": "false"}),
)

KINDS = [
    *rows(
        LET_IN,
        typ_JWT=header(typ="JWT"),
        typ_jwt=header(typ="jwt"),
        typ_at_jwt=header(typ="at+jwt"),
        typ_in_full=header(typ="application/at+jwt"),
        typ_of_Okta=header(typ="application/okta-internal-at+jwt"),
        typ_unheard_of=header(typ="acme"),
        typ_empty=by_hand({"typ": ""}),
        no_typ=by_hand(),
        b64_true=by_hand({"b64": True}),
    ),
    *rows(
        KIND,
        a_logout_token=header(typ="logout+jwt"),
        a_logout_token_in_other_letters=header(typ="application/Logout+JWT"),
        a_logout_token_without_a_type=claims(
            events={"http://schemas.openid.net/event/backchannel-logout": {}}
        ),
        a_security_event=header(typ="secevent+jwt"),
        an_introspection_answer=header(typ="token-introspection+jwt"),
        a_proof_of_possession=header(typ="dpop+jwt"),
        a_request_object=header(typ="oauth-authz-req+jwt"),
        a_client_assertion=header(typ="client-authentication+jwt"),
    ),
    row("events of its own", token=claims(events={"a": 1}), outcome=LET_IN),
]

_OWN = signing_key("own").as_dict(private=False)
SIGNATURES = [
    *rows(
        KEY,
        a_key_that_nobody_knows=_by_stranger(kid="own"),
        the_key_that_it_brings_along=_by_stranger({"jwk": _OWN}, kid="own"),
        the_key_that_it_points_to=_by_stranger({"jku": "http://127.0.0.1:9/jwks"}, kid="own"),
        no_kid_where_there_are_many=by_hand(b'{"alg":"RS256"}'),
        an_empty_kid=by_hand({"kid": ""}),
        a_key_for_encryption=_by_key("enc", "RS256"),
        a_key_that_may_not_verify=_by_key("encrypt", "RS256"),
    ),
    *rows(
        SIGNATURE,
        another_key_of_the_same_id=_by_stranger(),
        a_jwk_in_the_header=_by_stranger({"jwk": _OWN}),
        a_jku_in_the_header=_by_stranger({"jku": "http://127.0.0.1:9/jwks"}),
        an_x5u_in_the_header=_by_stranger({"x5u": "http://127.0.0.1:9/cert"}),
        an_x5c_in_the_header=_by_stranger({"x5c": ["MIIB"]}),
        no_signature=by_hand(signature=b""),
        a_short_signature=by_hand(signature=b"x"),
        a_signature_of_zeroes=by_hand(signature=b"\x00" * 256),
        a_longer_signature=changed(lambda t: t + "AAAA"),
        a_shorter_signature=changed(lambda t: t[:-8]),
        another_tokens_signature=lambda i: (
            i.token().rpartition(".")[0] + "." + i.token(sub="bob").rpartition(".")[2]
        ),
        other_claims=lambda i: f"{_of(i, 0)}.{i.token(sub='bob').split('.')[1]}.{_of(i, 2)}",
        ES256_of_zeroes=by_hand({"alg": "ES256", "kid": "p256"}, signature=b"\x00" * 64),
        ES256_too_short=by_hand({"alg": "ES256", "kid": "p256"}, signature=b"\x01" * 63),
        ES256_in_DER=by_hand({"alg": "ES256", "kid": "p256"}, signature=b"0\x06\x02\x01\x01" * 14),
        Ed25519_of_zeroes=by_hand({"alg": "Ed25519", "kid": "ed"}, signature=b"\x00" * 64),
        PS256_signed_as_RS256=by_hand({"alg": "PS256"}),
    ),
    *rows(
        LET_IN,
        the_issuers_own_certificate_along=header(x5c=["MIIB"], x5t="abc"),
        the_issuers_own_address_along=header(jku="http://127.0.0.1:9/jwks"),
        parameters_that_nobody_knows=header(acme={"a": [1]}, pi="1"),
    ),
]

ROWS = [*FORMAT, *ALGORITHMS, *CRITICALS, *KINDS, *SIGNATURES]
