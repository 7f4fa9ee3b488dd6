"""Proving who this site is by a signature (RFC 7523 section 2.2), and the keys for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from core import audit, oauth
from core.assertions import Algorithm
from core.crypto import SealBroken
from core.secret import Secret
from tests.fixtures.aws import Aws, aws, aws_server
from tests.vault.conftest import ADMIN, events
from vault.models import CredentialProvider, SigningKey
from vault.models.providers import AssertionClaims
from vault.models.signing_keys import new_signing_key, published_keys, signing_key
from vault.providers.services import provider_store
from vault.providers.signing_keys import signing_keys_rotate

__all__ = ["aws", "aws_server"]
pytestmark = pytest.mark.django_db

TOKEN = "https://acme.example/token"
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256")


def by_key(algorithm: str = "RS256", **changed: Any) -> CredentialProvider:
    """Return a provider at which this site proves itself by a key."""
    provider = CredentialProvider(
        name="acme-2",
        display_name="Acme",
        client_id="daiko",
        client_auth="private_key_jwt",
        signing_algorithm=algorithm,
        issuer="https://acme.example",
        authorization_endpoint="https://acme.example/authorize",
        token_endpoint=TOKEN,
        **changed,
    )
    return provider_store(provider=provider, client_secret=None, actor=ADMIN)


def assertion_of(provider: CredentialProvider) -> str:
    client = provider.client()
    assert client.assertion is not None
    return client.assertion(TOKEN).reveal()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_is_verified_by_the_keys_that_are_published(
    algorithm: Algorithm, client: Client
) -> None:
    signed = assertion_of(by_key(algorithm))

    published = KeySet.import_key_set(client.get("/.well-known/jwks.json").json())
    token = jwt.decode(signed, published, algorithms=[algorithm])
    claims = token.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("daiko", "daiko", TOKEN)
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert (token.header["alg"], token.header["typ"]) == (algorithm, "JWT")


def test_no_two_assertions_are_the_same() -> None:
    provider = by_key()

    assert assertion_of(provider) != assertion_of(provider)


def test_only_the_public_halves_are_published(client: Client) -> None:
    for algorithm in ALGORITHMS:
        signing_key(algorithm)

    keys = client.get("/.well-known/jwks.json").json()["keys"]

    assert sorted(key["kty"] for key in keys) == ["EC", "RSA"]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in keys for name in key}


def test_a_private_half_is_sealed_into_its_own_row() -> None:
    mine, other = signing_key("RS256"), new_signing_key("RSA", signs_in=timedelta())
    assert b"PRIVATE KEY" not in bytes(mine.private_sealed)

    other.private_sealed = mine.private_sealed
    with pytest.raises(SealBroken):
        other.private_key()


def test_a_new_key_is_published_before_it_signs_and_an_old_one_after() -> None:
    old = signing_key("RS256")
    new = new_signing_key("RSA", signs_in=SigningKey.PUBLISHED_BEFORE)
    assert signing_key("RS256") == old
    assert {key["kid"] for key in published_keys()} == {old.kid, new.kid}

    SigningKey.objects.filter(pk=new.pk).update(signs_from=timezone.now())
    assert signing_key("RS256") == new
    assert {key["kid"] for key in published_keys()} == {old.kid, new.kid}

    since, before = SigningKey.PUBLISHED_AFTER, timezone.now() - timedelta(days=30)
    SigningKey.objects.filter(pk=old.pk).update(signs_from=before)
    SigningKey.objects.filter(pk=new.pk).update(signs_from=timezone.now() - since)
    assert {key["kid"] for key in published_keys()} == {new.kid}


def test_an_admin_can_add_claims_that_are_kept_sealed() -> None:
    provider = by_key()
    provider.seal_assertion_claims(AssertionClaims({"x5t": "thumb"}, {"tenant": "acme-7"}))

    token = jwt.decode(
        assertion_of(provider), KeySet.import_key_set({"keys": published_keys()}), ["RS256"]
    )
    assert (token.header["x5t"], token.claims["tenant"]) == ("thumb", "acme-7")
    assert b"acme-7" not in bytes(provider.assertion_claims_sealed or b"")


@pytest.mark.parametrize(
    ("header", "payload"),
    [({"alg": "none"}, {}), ({"typ": "x"}, {}), ({"jku": "https://x.example"}, {}),
     ({}, {"iss": "other"}), ({}, {"aud": "https://x.example"}), ({}, {"exp": "9"})],
)  # fmt: skip
def test_nobody_can_add_what_this_site_says_itself(
    header: dict[str, str], payload: dict[str, str]
) -> None:
    with pytest.raises(ValidationError):
        AssertionClaims(header, payload)


@pytest.fixture
def kms(aws: Aws) -> Iterator[Any]:
    yield aws.client("kms")


# The stand-in salts PS256 to another length than KMS does, and RFC 7518 section 3.5 has it.
@pytest.mark.parametrize(("algorithm", "spec"), [("RS256", "RSA_2048"), ("ES256", "ECC_NIST_P256")])
def test_a_key_in_kms_signs_and_never_leaves_it(algorithm: Algorithm, spec: str, kms: Any) -> None:
    arn = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["Arn"]

    signed = assertion_of(by_key(algorithm, private_key_source=arn))

    public: Any = load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    key = (ECKey if algorithm == "ES256" else RSAKey).import_key(public)
    assert jwt.decode(signed, key, algorithms=[algorithm]).claims["sub"] == "daiko"
    assert not SigningKey.objects.exists()


def test_a_key_that_kms_does_not_have_is_told_to_the_admin(kms: Any) -> None:
    arn = f"arn:aws:kms:us-east-1:123456789012:key/{'0' * 8}-0000-4000-8000-{'0' * 12}"

    with pytest.raises(oauth.Misconfigured, match="NotFoundException"):
        assertion_of(by_key(private_key_source=arn))


def test_what_is_no_key_of_kms_is_refused() -> None:
    with pytest.raises(ValidationError, match="private_key_source"):
        by_key(private_key_source="arn:aws:s3:::bucket")


def test_a_client_with_a_key_has_no_secret() -> None:
    provider = by_key()

    assert (provider.client().secret, provider.has_secret) == (None, False)
    provider.keep_secret(Secret("x"))
    with pytest.raises(ValidationError, match="secret"):
        provider.full_clean()


def test_keys_are_rotated_by_a_command() -> None:
    old = signing_key("ES256")
    said = StringIO()

    call_command("rotate_signing_keys", "--dry-run", stdout=said)
    assert SigningKey.objects.count() == 1
    assert events("vault.signing_keys.rotated") == []
    call_command("rotate_signing_keys", stdout=said)
    assert (SigningKey.objects.count(), signing_key("ES256")) == (2, old)
    call_command("rotate_signing_keys", "--now", stdout=said)

    assert [key["kid"] for key in published_keys()] == [signing_key("ES256").kid] != [old.kid]
    assert said.getvalue().splitlines() == [
        "Keys would be made: EC; they sign in 24 hours.",
        "Keys made: EC; they sign in 24 hours.",
        "Keys made: EC; they sign at once.",
    ]
    first, second = events("vault.signing_keys.rotated")
    assert (first.actor, first.detail["kind"]) == ("manage.py rotate_signing_keys", "EC")
    assert second.detail["key"] == signing_key("ES256").kid
    assert (first.detail["dropped"], second.detail["dropped"]) == (0, 2)


def test_keys_are_not_rotated_where_that_cannot_be_put_on_record() -> None:
    old = signing_key("ES256")

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent RENAME TO core_auditevent_away")
    with pytest.raises(audit.AuditUnavailable):
        signing_keys_rotate(at_once=True, actor="test")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent_away RENAME TO core_auditevent")

    assert list(SigningKey.objects.all()) == [old]
