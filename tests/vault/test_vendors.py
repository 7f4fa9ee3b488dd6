"""Each vendor, the whole way, against a server that behaves as the vendor documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from aiohttp import connector
from aiohttp.resolver import ThreadedResolver

from agents.models import WorkloadIdentity
from core.models import User
from core.secret import Secret
from core.wire import model
from tests.fixtures.vendors.documented import DOCUMENTED, Documented
from tests.fixtures.vendors.fake import CLIENT_ID, CLIENT_SECRET, FakeVendor
from tests.fixtures.vendors.internet import Internet, hosts, internet
from tests.vault.conftest import ADMIN, Expire, World
from vault.ending import revocations
from vault.ending.revocations import grant_revoke
from vault.models import CredentialProvider, Grant, Outcome
from vault.providers import discovery
from vault.providers.probe import provider_probe
from vault.providers.services import provider_store
from vault.vendors.names import VendorName
from vault.vendors.table import VENDORS

pytestmark = pytest.mark.django_db


def named(documented: Documented) -> str:
    return documented.vendor


each_vendor = pytest.mark.parametrize("documented", DOCUMENTED, ids=named)
each_that_refreshes = pytest.mark.parametrize(
    "documented", [one for one in DOCUMENTED if one.refresh_asks is not None], ids=named
)
each_with_metadata = pytest.mark.parametrize(
    "documented", [one for one in DOCUMENTED if one.metadata], ids=named
)


@pytest.fixture(scope="module")
def all_vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    with internet(tmp_path_factory.mktemp("vendors")) as net:
        yield net


@pytest.fixture
def net(
    all_vendors: Internet, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Internet]:
    async def resolve(_: object, host: str, port: int = 0, family: object = 0) -> list[Any]:
        return all_vendors.resolve(host, port)

    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = sorted(hosts())
    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", all_vendors.trust)
    yield all_vendors
    all_vendors.vendors.clear()


def added(
    documented: Documented, concierge: WorkloadIdentity, secret: str = CLIENT_SECRET
) -> CredentialProvider:
    """Return the provider as an admin adds it: the vendor, the client, and what it asks for."""
    return provider_store(
        provider=CredentialProvider(
            name="there",
            display_name="There",
            vendor=documented.vendor,
            client_id=CLIENT_ID,
            client_auth=VENDORS[documented.vendor].auth,
            **documented.own,
        ),
        client_secret=Secret(secret),
        workloads=[concierge],
        actor=ADMIN,
    )


@pytest.fixture
def there(documented: Documented, net: Internet) -> FakeVendor:
    """The vendor's side."""
    vendor = FakeVendor(documented)
    net.vendors.append(vendor)
    return vendor


def journey(identity: WorkloadIdentity, provider: CredentialProvider, there: FakeVendor) -> World:
    """Return the journey to a vendor, which has the hands that the world needs."""
    return World(identity, provider, cast(Any, there))


@pytest.fixture
def world(documented: Documented, there: FakeVendor, concierge: WorkloadIdentity) -> World:
    provider = added(documented, concierge)
    there.redirect_uris.add(provider.callback_url)
    return journey(concierge, provider, there)


def test_every_vendor_of_the_wire_api_has_a_row_and_a_description() -> None:
    shape: Any = model.operations()["CreateOauth2CredentialProvider"].input_shape
    known = set(shape.members["credentialProviderVendor"].enum)

    assert set(VENDORS) == set(VendorName.values) == known
    assert {documented.vendor for documented in DOCUMENTED} == known


@each_vendor
def test_a_person_consents_and_the_agent_gets_their_token(
    documented: Documented, there: FakeVendor, world: World, alice: User
) -> None:
    grant = world.grant(alice, *documented.scopes)

    assert there.knows(world.token(alice, *documented.scopes)) == "alice"
    assert set(documented.scopes) <= set(grant.scopes)
    assert (grant.refresh_sealed is not None) == (documented.refresh_asks is not None)


@each_that_refreshes
def test_it_is_refreshed_again_and_again_until_that_is_refused_for_good(
    documented: Documented, there: FakeVendor, world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice, *documented.scopes)
    tokens = {world.token(alice, *documented.scopes)}
    for times in (1, 2):
        expire(grant)
        tokens.add(world.token(alice, *documented.scopes))
        assert there.refreshed == times
    assert [there.knows(token) for token in tokens] == ["alice"] * 3

    expire(grant)
    there.forget_refresh_tokens()
    world.wait(alice, *documented.scopes)

    assert Grant.objects.get().state == Grant.State.LAPSED


@each_vendor
def test_disconnecting_ends_the_access_there_and_may_be_said_twice(
    documented: Documented, there: FakeVendor, world: World, alice: User
) -> None:
    grant = world.grant(alice, *documented.scopes)
    access, refresh = grant.access_token(), grant.refresh_token()
    assert access is not None

    outcome = grant_revoke(grant=grant, actor=ADMIN).outcome

    if not documented.revoke:
        assert outcome == Outcome.NO_ENDPOINT
        return
    assert outcome == Outcome.REVOKED_AT_PROVIDER
    assert there.knows(access.reveal()) is None
    assert not there.can_refresh()
    again = revocations.queue(grant, access, refresh)
    assert revocations.attempt(again) == Outcome.REVOKED_AT_PROVIDER


@each_vendor
def test_a_wrong_secret_is_told_from_a_right_one(
    documented: Documented, there: FakeVendor, world: World
) -> None:
    known = provider_probe(provider=world.provider)
    assert [finding.ok for finding in known if "client" in str(finding)] == [True]

    world.provider.keep_secret(Secret("wrong"))
    wrong = provider_probe(provider=world.provider)

    said = [str(finding) for finding in wrong if not finding.ok][-1]
    assert documented.bad_client_words in said


@each_with_metadata
def test_a_provider_is_kept_while_its_metadata_cannot_be_had_and_heals(
    documented: Documented, there: FakeVendor, concierge: WorkloadIdentity, alice: User
) -> None:
    there.unreachable = True
    provider = added(documented, concierge)
    assert (provider.status, provider.failure_reason != "") == ("CREATING", True)

    there.unreachable = False
    discovery.forget()
    there.redirect_uris.add(provider.callback_url)
    journey(concierge, provider, there).grant(alice, *documented.scopes)

    kept = CredentialProvider.objects.get()
    assert (kept.status, kept.failure_reason) == ("READY", "")
