"""Every way in which a consent must not come to a grant, and that then there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse, QueryDict
from django.test import Client

from agents.models import Agent, WorkloadIdentity
from core.models import User
from core.subject import Subject
from tests.fixtures.provider import Fault, with_query
from tests.vault.conftest import FOREIGN, Browser, World, events
from vault.errors import ReturnUrlMissing, ReturnUrlNotAllowed, SessionBusy, SessionUnknown
from vault.flows import authorization, consent, return_urls, sessions
from vault.flows.authorization import read_answer
from vault.flows.errors import (
    ConsentDenied,
    ConsentExpired,
    ConsentFailed,
    ConsentUsed,
    Disconnected,
    WrongPerson,
)
from vault.models import ConsentSession, CredentialProvider, Grant, Revocation
from vault.token_read import Waiting

pytestmark = pytest.mark.django_db

Status = ConsentSession.Status
SALT = "vault.consent.browser"


def answered(world: World, waiting: Waiting, browser: Browser, **changed: str | None) -> str:
    """Return the callback URL after Allow, with parameters changed."""
    callback = world.there.allow(world.to_provider(waiting, browser), account="alice")
    return with_query(callback, **changed)


def nothing_was_exchanged(world: World) -> None:
    assert world.there.asked_at("/token") == []
    assert not Grant.objects.exists()


def test_a_denial_is_a_clear_page_and_ends_the_agents_poll(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)

    page = browser.get(world.there.deny(world.to_provider(waiting, browser), words="No, thanks"))

    assert page.status_code == 200
    assert "Nothing was connected" in page.content.decode()
    with pytest.raises(ConsentDenied) as caught:
        world.read(alice, session_uri=waiting.session_uri)
    assert (caught.value.status, caught.value.aws) == (403, "AccessDeniedException")
    assert str(caught.value.message) == ("Concierge was not allowed to use Acme Calendar.")
    recorded = events("vault.consent.denied")[0]
    assert recorded.detail["words"] == "access_denied: No, thanks"
    assert recorded.agent == "concierge-0123456789"
    nothing_was_exchanged(world)


def test_after_a_denial_the_agent_may_ask_anew(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    browser.get(world.there.deny(world.to_provider(waiting, browser)))

    assert world.wait(alice) != waiting


def test_the_providers_own_words_reach_person_and_agent_without_what_may_be_a_credential(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    words = "Client eyJhbGciOiJSUzI1NiJ9eyJhbGciOiJSUzI1NiJ9 may not <b>ask</b>\x00"

    page = browser.get(
        world.there.deny(world.to_provider(waiting, browser), "unauthorized_client", words)
    )

    assert page.status_code == 502
    text = page.content.decode()
    assert "unauthorized_client: Client … may not &lt;b&gt;ask&lt;/b&gt;" in text
    assert "eyJ" not in text
    with pytest.raises(ConsentFailed) as caught:
        world.read(alice, session_uri=waiting.session_uri)
    assert "unauthorized_client" in str(caught.value.message)
    nothing_was_exchanged(world)


def test_an_expired_link_opens_nothing(world: World, alice: User) -> None:
    waiting = world.wait(alice)

    with time_machine.travel("2100-01-01T00:00:00Z"):
        page = Browser(alice).get(waiting.authorization_url.reveal())

        assert page.status_code == 410
        assert "expired" in page.content.decode()
        with pytest.raises(ConsentExpired):
            world.read(alice, session_uri=waiting.session_uri)
    nothing_was_exchanged(world)


def test_an_answer_after_ten_minutes_is_refused_and_its_code_not_used(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    ConsentSession.objects.update(expires_at="2020-01-01T00:00:00Z")

    assert browser.get(callback).status_code == 410
    nothing_was_exchanged(world)


def test_a_session_lives_for_ten_minutes(world: World, alice: User) -> None:
    session = world.session(world.wait(alice))

    assert 599 < (session.expires_at - session.created_at).total_seconds() < 601


def test_a_consent_completed_after_ten_minutes_binds_nothing(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    ConsentSession.objects.update(expires_at="2020-01-01T00:00:00Z")

    with pytest.raises(ConsentExpired):
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert not Grant.objects.exists()


def test_a_state_and_its_code_work_once(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    assert browser.get(callback).status_code == 302

    again = browser.get(callback)

    assert again.status_code == 410
    assert "used before" in again.content.decode()
    assert len(world.there.asked_at("/token")) == 1


def test_a_link_does_not_open_again_once_the_provider_has_answered(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    world.consent(waiting, browser)

    page = browser.get(waiting.authorization_url.reveal())

    assert page.status_code == 410
    assert world.session(waiting).status == Status.EXCHANGED


def test_a_consent_is_completed_once(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    with pytest.raises(ConsentUsed):
        consent.complete(session=world.session(waiting), subject=alice.subject, client="k")
    assert Grant.objects.get().generation == 1


def test_a_consent_whose_grant_is_over_is_not_said_to_be_connected(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    Grant.objects.update(state="lapsed")

    with pytest.raises(ConsentUsed):
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)


def test_nobody_else_learns_that_somebody_is_connected(
    world: World, alice: User, bob: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    browser.get(callback)
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    browser.user = None
    assert browser.get(callback).status_code == 410
    assert Browser(bob).get(callback).status_code == 403
    page = Browser(bob).get(waiting.authorization_url.reveal())
    assert (page.status_code, "Acme" in page.content.decode()) == (403, False)
    with pytest.raises(WrongPerson):
        consent.complete_here(session_uri=waiting.session_uri, subject=bob.subject)


def test_of_two_completions_at_once_one_counts(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    seen_before = world.session(waiting)
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    with pytest.raises(ConsentUsed):
        consent.complete(session=seen_before, subject=alice.subject, client="k")
    assert Grant.objects.get().generation == 1
    assert len(events("vault.consent.completed")) == 1


def test_a_consent_is_not_completed_before_it_is_given(world: World, alice: User) -> None:
    waiting = world.wait(alice)

    with pytest.raises(SessionBusy):
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert not Grant.objects.exists()
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert Grant.objects.exists()


@pytest.mark.parametrize("step", ["not opened", "at the provider"])
def test_whoever_keeps_completing_before_anybody_consented_gets_nothing_of_what_comes(
    step: str, world: World, alice: User
) -> None:
    waiting, bobs = world.wait(alice, return_url=FOREIGN), Browser()
    callback = answered(world, waiting, bobs) if step == "at the provider" else ""
    for expected in (SessionBusy, SessionBusy, ConsentFailed, ConsentFailed):
        with pytest.raises(expected):
            consent.complete(session=world.session(waiting), subject=alice.subject, client="k")

    session = world.session(waiting)
    assert (session.status, session.failure) == (Status.FAILED, "completed_too_early")
    if callback:
        assert bobs.get(callback).status_code == 502
    nothing_was_exchanged(world)


def test_a_forwarded_link_stops_before_anybody_consents(
    world: World, alice: User, bob: User
) -> None:
    waiting = world.wait(alice)

    page = Browser(bob).get(waiting.authorization_url.reveal())

    assert page.status_code == 403
    assert "belongs to somebody else" in page.content.decode()
    assert world.there.authorizations == []
    assert world.session(waiting).status == Status.PENDING
    refused = events("vault.consent.refused")[0]
    assert (refused.reason, refused.actor) == ("consent_wrong_person", "Bob")
    assert refused.detail["by"] == {"iss": bob.iss, "sub": "bob"}


def test_whoever_is_not_signed_in_goes_to_sign_in_first_and_comes_back(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)

    response = Browser().get(waiting.authorization_url.reveal())

    assert response.status_code == 302
    assert response["Location"].startswith("/oidc/authenticate/?next=/identities/oauth2/authorize")
    assert world.session(waiting).status == Status.PENDING


def test_a_person_who_is_not_who_was_asked_completes_nothing_and_burns_it(
    world: World, alice: User, bob: User
) -> None:
    waiting = world.wait(alice, return_url=FOREIGN)
    world.consent(waiting, Browser(), account="bob@acme.example")
    family = world.there.family_of("bob@acme.example")
    assert len(family.accesses) == 1

    with pytest.raises(WrongPerson):
        consent.complete(session=world.session(waiting), subject=bob.subject, client="k")

    session = world.session(waiting)
    assert session.status == Status.FAILED
    assert (session.access_sealed, session.refresh_sealed) == (None, None)
    assert family.ended
    assert not family.accesses
    assert not Revocation.objects.exists()
    assert events("vault.consent.refused")[0].detail["burnt"] is True
    with pytest.raises(ConsentFailed):
        consent.complete(session=session, subject=alice.subject, client="k")
    assert not Grant.objects.exists()


def test_a_stranger_cannot_burn_a_consent_that_was_not_given_yet(
    world: World, alice: User, bob: User
) -> None:
    waiting = world.wait(alice, return_url=FOREIGN)

    with pytest.raises(WrongPerson):
        consent.complete(session=world.session(waiting), subject=bob.subject, client="k")

    assert world.session(waiting).status == Status.PENDING
    assert events("vault.consent.refused")[0].detail["burnt"] is False


def test_the_same_sub_at_another_issuer_is_another_person(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))

    with pytest.raises(WrongPerson):
        consent.complete_here(
            session_uri=waiting.session_uri, subject=Subject("https://other.example", "alice")
        )
    assert not Grant.objects.exists()


def test_this_sites_page_completes_no_consent_that_returns_elsewhere(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice, return_url=FOREIGN)
    world.consent(waiting, Browser(), account="bob@acme.example")

    with pytest.raises(SessionUnknown):
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert not Grant.objects.exists()


def test_a_session_that_does_not_exist_is_not_completed(alice: User) -> None:
    with pytest.raises(SessionUnknown):
        consent.complete_here(session_uri="urn:no", subject=alice.subject)


@pytest.mark.parametrize("stranger", ["another browser", "a forged cookie", "an old cookie"])
def test_the_answer_must_come_back_to_the_browser_that_left(
    stranger: str, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    other = Browser(alice)
    if stranger == "a forged cookie":
        value = browser.cookies["daiko_consent"].value.partition(":")[0]
        other.cookies["daiko_consent"] = f"{value}:1abcde:{'A' * 43}"
    elif stranger == "an old cookie":
        old = HttpResponse()
        with time_machine.travel("2020-01-01T00:00:00Z"):
            old.set_signed_cookie("daiko_consent", browser.mark().reveal(), salt=SALT)
        other.cookies.update(old.cookies)

    page = other.get(callback)

    assert page.status_code == 403
    assert "begun in another browser" in page.content.decode()
    assert "Acme" not in page.content.decode()
    assert events("vault.consent.refused")[0].reason == "consent_wrong_browser"
    assert world.session(waiting).status == Status.AUTHORIZING
    nothing_was_exchanged(world)
    assert browser.get(callback).status_code == 302


@pytest.mark.parametrize("iss", [None, "", "https://evil.example", "http://127.0.0.1"])
def test_an_answer_that_does_not_name_the_announced_issuer_is_refused(
    iss: str | None, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)

    page = browser.get(answered(world, waiting, browser, iss=iss))

    assert page.status_code == 502
    assert world.session(waiting).failure == "issuer_mismatch"
    nothing_was_exchanged(world)


def test_an_issuer_that_is_named_must_be_right_even_where_none_was_announced(
    world: World, alice: User
) -> None:
    world.there.metadata["authorization_response_iss_parameter_supported"] = False
    waiting, browser = world.wait(alice), Browser(alice)

    assert browser.get(answered(world, waiting, browser, iss="https://evil")).status_code == 502
    nothing_was_exchanged(world)


def test_a_provider_that_never_announced_its_name_may_leave_it_out(
    world: World, alice: User
) -> None:
    world.there.metadata["authorization_response_iss_parameter_supported"] = False
    world.there.iss = None

    assert world.grant(alice).state == "live"


def test_an_admin_can_require_the_name_where_the_metadata_does_not(
    world: World, alice: User
) -> None:
    world.there.metadata["authorization_response_iss_parameter_supported"] = False
    world.there.iss = None
    CredentialProvider.objects.update(issuer_announces_iss=True)
    waiting, browser = world.wait(alice), Browser(alice)

    assert browser.get(answered(world, waiting, browser)).status_code == 502
    nothing_was_exchanged(world)


def test_a_denial_in_another_issuers_name_denies_nothing(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    denial = world.there.deny(world.to_provider(waiting, browser))

    browser.get(with_query(denial, iss="https://evil.example"))

    assert world.session(waiting).status == Status.FAILED


@pytest.mark.parametrize(
    "change",
    [
        lambda url: with_query(url, state=None),
        lambda url: with_query(url, state="guessed"),
        lambda url: with_query(url, code=None),
        lambda url: with_query(url, error="access_denied"),
        lambda url: f"{url}&code=another",
        lambda url: f"{url}&iss=another",
        lambda url: with_query(url, code="x" * 9000),
        lambda url: url.partition("?")[0],
    ],
)
def test_what_is_not_one_answer_to_one_request_is_refused(
    change: Callable[[str], str], world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)

    page = browser.get(change(callback))

    assert page.status_code == 400
    assert "Nothing was connected" in page.content.decode()
    nothing_was_exchanged(world)
    assert browser.get(callback).status_code == 302


def test_an_answer_at_another_providers_callback_is_refused(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    other = CredentialProvider.objects.create(
        name="other", client_id="x", client_auth="none", discovery_url="https://o/.well-known/x"
    )

    page = browser.get(f"{other.callback_url}?{callback.partition('?')[2]}")

    assert page.status_code == 400
    nothing_was_exchanged(world)


def test_a_request_that_does_not_exist_is_a_clear_page(db: None) -> None:
    page = Browser().get("/identities/oauth2/authorize?request_uri=urn:x")

    assert page.status_code == 403
    assert "This link does not work" in page.content.decode()
    assert "ask again" in page.content.decode()
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert page["Referrer-Policy"] == "no-referrer"


def test_pages_of_the_journey_are_kept_nowhere_and_tell_nobody_where_they_were(
    world: World, alice: User
) -> None:
    browser = Browser(alice)
    out = browser.get(world.wait(alice).authorization_url.reveal())
    back = browser.get(world.there.allow(out["Location"], account="alice"))

    for response in (out, back):
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "no-referrer"
    cookie = out.cookies["daiko_consent"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (
        True, "Lax", "/identities/oauth2/", 600,
    )  # fmt: skip


def test_pages_of_the_journey_are_read_only(db: None) -> None:
    for path in ("authorize", "callback/00000000-0000-0000-0000-000000000000"):
        assert Client().post(f"/identities/oauth2/{path}").status_code == 405


def test_consent_needs_a_page_to_end_at(world: World, alice: User) -> None:
    with pytest.raises(ReturnUrlMissing) as caught:
        world.read(alice, return_url=None)

    assert str(caught.value.message) == (
        "You must provide a ResourceOauth2ReturnUrl to proceed with this flow"
    )
    assert not ConsentSession.objects.exists()
    assert events("vault.token.refused")[0].reason == "return_url_missing"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/done",
        FOREIGN + "/",
        FOREIGN + "?x=1",
        "https://app.example/DONE",
        "http://localhost:8000/connections/complete",
        "http://localhost:8000/connections/complete/?x=1",
        "javascript:alert(1)",
        "myapp://done",
        "https:///done",
    ],
)
def test_consent_ends_at_registered_pages_only(url: str, world: World, alice: User) -> None:
    WorkloadIdentity.objects.update(
        allowed_return_urls=[FOREIGN, "javascript:alert(1)", "myapp://done", "https:///done"]
    )
    with pytest.raises(ReturnUrlNotAllowed) as caught:
        world.read(alice, return_url=url)

    assert str(caught.value.message).startswith(
        "You must register and use at least one ResourceOauth2ReturnUrl on your workload identity"
    )
    assert url in str(caught.value.message)
    assert not ConsentSession.objects.exists()


def test_the_return_url_keeps_its_own_query_and_fragment() -> None:
    url = return_urls.with_answer("https://a/b?x=1#top", session_uri="urn:y", custom_state=None)

    assert url == "https://a/b?x=1&session_id=urn%3Ay#top"


def _disable_provider(world: World, alice: User) -> None:
    CredentialProvider.objects.update(enabled=False)


def _close_provider(world: World, alice: User) -> None:
    world.provider.workloads.clear()


def _disable_workload(world: World, alice: User) -> None:
    WorkloadIdentity.objects.update(enabled=False)


def _disable_agent(world: World, alice: User) -> None:
    Agent.objects.update(enabled=False)


def _disable_person(world: World, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


SWITCHES = [
    _disable_provider,
    _close_provider,
    _disable_workload,
    _disable_agent,
    _disable_person,
]


@pytest.mark.parametrize("switch_off", SWITCHES)
def test_what_was_switched_off_meanwhile_stops_the_journey_at_each_step(
    switch_off: Callable[[World, User], None], world: World, alice: User
) -> None:
    opening, returning, completing = (
        world.wait(alice, runtime_session_id=name) for name in ("a", "b", "c")
    )
    browser = Browser(alice)
    callback = answered(world, returning, browser)
    world.consent(completing, browser)
    exchanged = len(world.there.asked_at("/token"))

    switch_off(world, alice)

    refused = browser.get(opening.authorization_url.reveal())
    assert refused.status_code in {403, 404}
    assert "can no longer be connected" in refused.content.decode()
    assert browser.get(callback).status_code == 502
    with pytest.raises(Exception, match=r"disabled|not_allowed"):
        consent.complete_here(session_uri=completing.session_uri, subject=alice.subject)
    assert len(world.there.asked_at("/token")) == exchanged
    assert world.session(opening).status == Status.PENDING
    assert world.session(returning).status == Status.FAILED
    assert world.session(completing).status == Status.EXCHANGED
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.WRONG_CLIENT, "provider_misconfigured"),
        (Fault.HANG_UP_AFTER, "provider_unanswered"),
        (Fault.ERROR_500, "provider_unavailable"),
        (Fault.MALFORMED, "provider_unanswered"),
    ],
)
def test_a_provider_that_gives_no_token_for_its_code_ends_the_journey_with_its_words(
    fault: Fault, reason: str, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    world.there.faults.append(fault)

    page = browser.get(callback)

    assert page.status_code == 502
    session = world.session(waiting)
    assert (session.status, session.failure) == (Status.FAILED, reason)
    if fault is Fault.WRONG_CLIENT:
        assert session.provider_words == "invalid_client: The secret has expired"
        assert "The secret has expired" in page.content.decode()
    assert not Grant.objects.exists()


def test_a_provider_that_is_away_is_told_to_the_person_and_the_link_stays_good(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    metadata, world.there.metadata = world.there.metadata, {}

    assert Browser(alice).get(waiting.authorization_url.reveal()).status_code == 502
    world.there.metadata = metadata
    assert world.consent(waiting, Browser(alice))


def test_a_session_of_another_person_workload_or_provider_cannot_be_polled(
    world: World, alice: User, bob: User, greeter: WorkloadIdentity
) -> None:
    waiting = world.wait(alice)
    world.provider.workloads.add(greeter)

    with pytest.raises(SessionUnknown):
        world.read(bob, session_uri=waiting.session_uri)
    others = World(greeter, world.provider, world.there)
    with pytest.raises(SessionUnknown):
        others.read(alice, session_uri=waiting.session_uri)
    with pytest.raises(SessionUnknown):
        world.read(alice, session_uri="urn:ietf:params:oauth:request_uri:guessed")


def test_a_poll_of_a_completed_session_ends_once_the_person_has_disconnected(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    Grant.objects.update(state="revoked", access_sealed=None, refresh_sealed=None)

    with pytest.raises(Disconnected):
        world.read(alice, session_uri=waiting.session_uri)
    assert world.wait(alice) != waiting


def test_two_answers_at_once_use_one_code(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    session = world.session(waiting)
    assert browser.get(callback).status_code == 302

    # The second request read the session before the first one moved it on.
    assert session.status == Status.AUTHORIZING
    with pytest.raises(ConsentUsed):
        _come_back(session, callback, browser)
    assert len(world.there.asked_at("/token")) == 1


def test_of_an_answer_and_a_denial_at_once_one_counts(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    at_provider = world.to_provider(waiting, browser)
    session = world.session(waiting)
    assert browser.get(world.there.allow(at_provider, account="a")).status_code == 302

    with pytest.raises(ConsentUsed):
        _come_back(session, world.there.deny(at_provider), browser)
    with pytest.raises(ConsentUsed):
        _come_back(session, with_query(world.there.deny(at_provider, "server_error")), browser)
    assert world.session(waiting).status == Status.EXCHANGED


def _come_back(session: ConsentSession, callback: str, browser: Browser) -> None:
    consent.come_back(
        session=session,
        answer=read_answer(QueryDict(callback.partition("?")[2])),
        browser=browser.mark(),
    )


def test_a_session_that_expires_during_the_exchange_keeps_no_token_anywhere(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = answered(world, waiting, browser)
    real: Any = authorization.exchange

    def slow(session: ConsentSession, *args: Any) -> Any:
        tokens = real(session, *args)
        sessions.fail(session, Status.EXPIRED, reason="expired")
        return tokens

    monkeypatch.setattr("vault.flows.consent.exchange", slow)

    assert browser.get(callback).status_code == 410
    assert world.there.family_of("alice").ended
    assert world.session(waiting).access_sealed is None
    assert not Revocation.objects.exists()
