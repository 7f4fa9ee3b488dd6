"""One identity provider, one Acme that forgives a moment and one that forgives nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.demo_sites import Acme, IdentityProvider, own_database, start_acme, start_idp
from tests.fixtures.issuer import Issuer, issuing

SIGN_IN_CALLBACK = "http://localhost:9/oidc/callback/"
SIGNED_OUT = "http://localhost:9/"
CONSENT_CALLBACK = "http://localhost:9/identities/oauth2/callback/7d9c"


@pytest.fixture(scope="session")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with own_database("idp") as database_url:
        site = start_idp(
            tmp_path_factory.mktemp("idp"),
            database_url=database_url,
            redirect_uris=[SIGN_IN_CALLBACK],
            post_logout_uris=[SIGNED_OUT],
            access_token_s=90,
        )
        yield site
        site.stop()


@pytest.fixture(scope="session")
def customers_issuer() -> Iterator[Issuer]:
    """The identity provider of Acme's customer, whose tokens Acme exchanges."""
    with issuing() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def running_acme(
    tmp_path_factory: pytest.TempPathFactory, customers_issuer: Issuer
) -> Iterator[Acme]:
    with own_database("acme") as database_url:
        site = start_acme(
            tmp_path_factory.mktemp("acme"),
            database_url=database_url,
            redirect_uris=[CONSENT_CALLBACK],
            trusted_issuer=customers_issuer.url,
        )
        yield site
        site.stop()


@pytest.fixture
def acme(running_acme: Acme) -> Iterator[Acme]:
    yield running_acme
    running_acme.order_fault("500", count=0)


@pytest.fixture(scope="session")
def strict_acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    with own_database("acme_strict") as database_url:
        site = start_acme(
            tmp_path_factory.mktemp("acme_strict"),
            database_url=database_url,
            redirect_uris=[CONSENT_CALLBACK],
            reuse_grace_s=0,
            with_ledger=False,
        )
        yield site
        site.stop()
