"""An issuer's documents: where they may come from, how long they serve, when they are renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from core import jose
from core.jose import Issuer, IssuerUnavailable, discovery_urls_of, is_issuer_at
from tests.fixtures.issuer import DISCOVERY, JWKS, signing_key
from tests.fixtures.issuer import Issuer as Provider
from tests.fixtures.loops import Run


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(issuer: Provider, clock: Clock) -> Issuer:
    """The issuer as this process knows it: asked once."""
    found = Issuer(issuer.discovery_url, clock=clock, pause=clock.pause)
    found.documents_sync()
    return found


def settled(known: Issuer) -> None:
    """Wait for a fetch that goes on in the background."""
    assert known._fetching is not None
    known._fetching.exception(timeout=10)


def test_it_learns_issuer_endpoints_and_keys(issuer: Provider, known: Issuer) -> None:
    documents = known.documents_sync()

    assert documents.issuer == issuer.url
    assert documents.endpoint("token_endpoint") == issuer.url + "/token"
    assert documents.endpoint("response_types_supported") is None
    assert documents.endpoint("missing") is None
    assert set(documents.keys) == {"first"}


def test_documents_are_used_for_ten_minutes_without_asking(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    clock.now += 600

    for _ in range(3):
        known.documents_sync()
        assert known.key_sync("first") is not None

    assert issuer.times_asked(DISCOVERY) == issuer.times_asked(JWKS) == 1


def test_then_they_are_renewed_in_the_background(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    issuer.keys = [signing_key("second")]
    clock.now += 601

    assert set(known.documents_sync().keys) == {"first"}  # what there was
    settled(known)

    assert set(known.documents_sync().keys) == {"second"}
    assert issuer.times_asked(DISCOVERY) == 2


def test_after_an_hour_they_are_renewed_before_they_are_used(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    issuer.keys = [signing_key("second")]
    clock.now += 3601

    assert set(known.documents_sync().keys) == {"second"}


@pytest.mark.parametrize("later_s", [601, 3601, 86_390])
def test_while_the_issuer_is_away_stale_keys_are_used(
    issuer: Provider, known: Issuer, clock: Clock, later_s: float
) -> None:
    issuer.answer(DISCOVERY, status=503)
    clock.now += later_s

    assert known.key_sync("first") is not None
    settled(known)
    assert known.key_sync("first") is not None


def test_after_a_day_they_are_not_used_any_more(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    issuer.answer(JWKS, status=503)
    clock.now += 86_401

    for _ in range(2):
        with pytest.raises(IssuerUnavailable):
            known.key_sync("first")

    issuer.routes[f"GET {JWKS}"] = Provider(issuer.url).routes[f"GET {JWKS}"]
    clock.now += 5
    assert known.key_sync("first") is not None


def test_a_private_address_is_not_asked_unless_it_is_listed(
    issuer: Provider, settings: Any
) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises(IssuerUnavailable):
        Issuer(issuer.discovery_url).documents_sync()

    assert issuer.asked == []


def test_an_issuer_that_is_away_is_asked_again_every_five_seconds_at_most(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    issuer.answer(DISCOVERY, status=503)
    clock.now += 601
    for _ in range(3):
        known.documents_sync()
        settled(known)
    assert issuer.times_asked(DISCOVERY) == 2

    clock.now += 5
    known.documents_sync()
    settled(known)

    assert issuer.times_asked(DISCOVERY) == 3


def test_a_rotated_key_is_found_at_once(issuer: Provider, known: Issuer) -> None:
    issuer.keys = [signing_key("second"), signing_key("first")]

    assert known.key_sync("second") is not None
    assert issuer.times_asked(JWKS) == 2


def test_one_invented_key_id_makes_it_ask_every_five_seconds_at_most(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    for _ in range(20):
        assert known.key_sync("invented") is None
    assert issuer.times_asked(JWKS) == 2

    clock.now += 4.9
    assert known.key_sync("invented") is None
    assert issuer.times_asked(JWKS) == 2

    clock.now += 0.1
    assert known.key_sync("invented") is None
    assert issuer.times_asked(JWKS) == 3


def test_a_stranger_who_guesses_the_next_key_id_keeps_it_out_for_five_seconds_at_most(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    assert known.key_sync("second") is None
    issuer.keys = [signing_key("second"), signing_key("first")]
    clock.now += 5

    assert known.key_sync("second") is not None


def test_many_invented_key_ids_make_it_ask_every_five_seconds_at_most(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    began = clock.now
    for number in range(20):
        assert known.key_sync(f"invented-{number}") is None

    assert clock.now - began == 19 * 5  # each but the first waited for its turn
    assert issuer.times_asked(JWKS) == 21


def test_many_who_wait_with_different_key_ids_share_one_turn(
    issuer: Provider, known: Issuer, run: Run[Any], clock: Clock
) -> None:
    known.key_sync("invented")
    turn = asyncio.Event()

    async def until_the_turn(seconds: float) -> None:
        await turn.wait()

    async def many() -> list[Any]:
        asking = [asyncio.create_task(known.key(f"invented-{n}")) for n in range(50)]
        await asyncio.sleep(0)
        clock.now += 5
        turn.set()
        return await asyncio.gather(*asking)

    known._pause = until_the_turn

    assert run(many()) == [None] * 50
    assert issuer.times_asked(JWKS) == 3


def test_a_stranger_cannot_keep_a_rotated_key_out(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    assert known.key_sync("invented") is None  # which uses the present turn up
    clock.now += 1
    issuer.keys = [signing_key("second"), signing_key("first")]

    assert known.key_sync("second") is not None
    assert clock.now == 1005  # it waited for the next one, and was not refused


def test_so_many_wait_and_no_more(issuer: Provider, known: Issuer, run: Run[Any]) -> None:
    known.key_sync("invented")
    turn = asyncio.Event()

    async def until_the_turn(seconds: float) -> None:
        await turn.wait()

    async def many() -> int:
        asking = [asyncio.create_task(known.key(f"invented-{n}")) for n in range(130)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused_at_once = sum(task.done() for task in asking)
        turn.set()
        await asyncio.gather(*asking)
        return refused_at_once

    known._pause = until_the_turn

    assert run(many()) == 30
    assert known._waiting == 0


def test_a_key_that_was_withdrawn_is_not_looked_for(issuer: Provider, known: Issuer) -> None:
    issuer.keys = [signing_key("second")]
    assert known.key_sync("second") is not None

    assert known.key_sync("first") is None
    assert issuer.times_asked(JWKS) == 2


def test_what_is_remembered_of_invented_key_ids_is_bounded(known: Issuer) -> None:
    for number in range(1500):
        known._lacks(f"invented-{number}")

    assert len(known._lacking) == 500


def test_a_key_that_stays_is_the_same_object_after_a_renewal(
    issuer: Provider, known: Issuer, clock: Clock
) -> None:
    before = known.key_sync("first")
    issuer.keys = [signing_key("first"), signing_key("second")]
    clock.now += 3601

    assert known.key_sync("first") is before

    issuer.keys = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})]
    clock.now += 3601
    assert known.key_sync("first") is not before


def test_an_unknown_key_while_the_issuer_is_away_is_unknown(
    issuer: Provider, known: Issuer
) -> None:
    issuer.answer(JWKS, status=500)

    assert known.key_sync("second") is None
    assert known.key_sync("first") is not None


def test_a_token_without_a_key_id_means_the_only_key(issuer: Provider, known: Issuer) -> None:
    assert known.key_sync("") is not None

    issuer.keys = [signing_key("first"), signing_key("second")]
    fresh = Issuer(issuer.discovery_url)

    assert fresh.key_sync("") is None


def test_many_who_ask_at_once_cause_one_fetch(issuer: Provider, run: Run[Any]) -> None:
    fresh = Issuer(issuer.discovery_url)

    async def many() -> int:
        found = await asyncio.gather(*(fresh.documents() for _ in range(20)))
        return len({id(documents) for documents in found})

    assert run(many()) == 1
    assert issuer.times_asked(DISCOVERY) == 1


def test_one_who_stops_waiting_does_not_stop_the_others(issuer: Provider, run: Run[Any]) -> None:
    fresh = Issuer(issuer.discovery_url)

    async def two() -> str:
        leaving = asyncio.create_task(fresh.documents())
        staying = asyncio.create_task(fresh.documents())
        await asyncio.sleep(0)
        leaving.cancel()
        return (await staying).issuer

    assert run(two()) == issuer.url


def test_an_issuer_that_never_answered_is_asked_again_after_a_second(
    issuer: Provider, clock: Clock
) -> None:
    issuer.answer(DISCOVERY, status=500)
    fresh = Issuer(issuer.discovery_url, clock=clock)
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            fresh.documents_sync()
    assert issuer.times_asked(DISCOVERY) == 1

    issuer.routes[f"GET {DISCOVERY}"] = Provider(issuer.url).routes[f"GET {DISCOVERY}"]
    clock.now += 1

    assert fresh.documents_sync().issuer == issuer.url


Misbehave = Callable[[Provider], None]


@pytest.mark.parametrize(
    "misbehave",
    [
        pytest.param(lambda i: i.answer(DISCOVERY, status=404), id="no document"),
        pytest.param(
            lambda i: i.answer(DISCOVERY, i.metadata, status=500), id="a document and an error"
        ),
        pytest.param(lambda i: i.answer(DISCOVERY, b"<html>"), id="not JSON"),
        pytest.param(lambda i: i.answer(DISCOVERY, b"[" * 100_000), id="nested deeply"),
        pytest.param(lambda i: i.answer(DISCOVERY, []), id="a list"),
        pytest.param(lambda i: i.answer(DISCOVERY, {}), id="an empty object"),
        pytest.param(lambda i: i.answer(DISCOVERY, b" " * (1 << 21)), id="too large"),
        pytest.param(
            lambda i: i.answer(DISCOVERY, status=302, headers={"Location": "/elsewhere"}),
            id="a redirect",
        ),
        pytest.param(lambda i: i.metadata.pop("jwks_uri"), id="no jwks_uri"),
        pytest.param(lambda i: i.metadata.update(jwks_uri=7), id="jwks_uri of another type"),
        pytest.param(lambda i: i.metadata.update(issuer=None), id="no issuer"),
        pytest.param(
            lambda i: i.metadata.update(issuer="https://other.example"), id="another's name"
        ),
        pytest.param(lambda i: i.metadata.update(issuer="https://[::1"), id="no URL as a name"),
        pytest.param(
            lambda i: i.metadata.update(jwks_uri="http://169.254.169.254/keys"), id="private keys"
        ),
        pytest.param(lambda i: i.metadata.update(jwks_uri="file:///etc/passwd"), id="a file"),
        pytest.param(lambda i: i.answer(JWKS, status=500), id="no keys"),
        pytest.param(lambda i: i.answer(JWKS, {"keys": 7}), id="keys of another type"),
    ],
)
def test_documents_that_are_not_as_they_should_be_are_not_used(
    issuer: Provider, misbehave: Misbehave
) -> None:
    misbehave(issuer)

    with pytest.raises(IssuerUnavailable) as caught:
        Issuer(issuer.discovery_url).documents_sync()

    assert issuer.discovery_url in caught.value.detail
    assert issuer.url not in str(caught.value.message)


@pytest.mark.parametrize(
    ("issuer_url", "discovery_url"),
    [
        ("https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/t", "https://a.example/t/.well-known/openid-configuration"),
        ("https://a.example/t", "https://a.example/.well-known/oauth-authorization-server/t"),
        ("https://a.example:8443", "https://a.example:8443/.well-known/oauth-authorization-server"),
    ],
)
def test_a_document_speaks_for_the_issuer_at_its_own_address(
    issuer_url: str, discovery_url: str
) -> None:
    assert is_issuer_at(issuer_url, discovery_url)
    assert jose.discovery_url_of(issuer_url) in discovery_urls_of(issuer_url)


@pytest.mark.parametrize(
    ("issuer_url", "discovery_url"),
    [
        ("https://b.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/other", "https://a.example/t/.well-known/openid-configuration"),
        ("https://a.example", "https://a.example/t/.well-known/openid-configuration"),
        ("http://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example:444", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example.b.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example#", "https://b.example/.well-known/openid-configuration"),
        (" https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.exa\nmple", "https://a.example/.well-known/openid-configuration"),
        ("https://[::1", "https://[::1/.well-known/openid-configuration"),
    ],
)
def test_a_document_does_not_speak_for_another_issuer(issuer_url: str, discovery_url: str) -> None:
    assert not is_issuer_at(issuer_url, discovery_url)


def test_a_process_knows_each_issuer_once() -> None:
    one = jose.issuer_at("https://a.example/.well-known/openid-configuration")

    assert jose.issuer_at(one.discovery_url) is one
    jose.forget_issuers()
    assert jose.issuer_at(one.discovery_url) is not one
