"""The journey of a person's consent, when it goes as it should."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.models import User
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.provider import Fault, Provider, callback_query
from tests.vault.conftest import FOREIGN, SESSION, Browser, World, events
from vault.events import consent_changed
from vault.flows import consent
from vault.flows.errors import ScopesNotGranted
from vault.models import ConsentSession, CredentialProvider, Grant

pytestmark = pytest.mark.django_db

Status = ConsentSession.Status


def test_the_agent_gets_the_persons_token_once_they_have_consented(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    assert waiting.authorization_url.reveal().startswith(
        "http://localhost:8000/identities/oauth2/authorize?request_uri=urn%3Aietf%3Aparams"
    )

    browser = Browser(alice)
    at_provider = world.to_provider(waiting, browser)
    back = browser.get(world.there.allow(at_provider, account="alice@acme.example"))["Location"]
    assert back.startswith("http://localhost:8000/connections/complete/?session_id=urn%3A")
    assert callback_query(back)["session_id"] == waiting.session_uri
    assert world.wait(alice, session_uri=waiting.session_uri) == waiting

    done = consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    assert done.status == Status.COMPLETED
    token = world.token(alice, session_uri=waiting.session_uri)
    assert world.there.knows(token) == "alice@acme.example"
    assert world.token(alice) == token


@pytest.mark.parametrize("opened", ["the link", "the callback", "the callback, later"])
def test_whoever_comes_back_to_what_they_connected_is_led_to_the_page_that_says_so(
    opened: str, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = world.there.allow(world.to_provider(waiting, browser), account="alice")
    done = browser.get(callback)["Location"]
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    if opened == "the callback, later":
        browser.cookies.clear()
    link = waiting.authorization_url.reveal() if opened == "the link" else callback
    again = browser.get(link)

    assert (again.status_code, again["Location"]) == (302, done)
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert len(world.there.asked_at("/token")) == 1
    assert Grant.objects.get().generation == 1
    assert len(events("vault.consent.completed")) == 1


def test_what_happened_is_on_record_in_order(world: World, alice: User) -> None:
    grant = world.grant(alice)
    world.token(alice)

    recorded = [
        (e.action, e.outcome, e.subject_sub)
        for action in ("vault.consent.begun", "vault.consent.completed", "vault.token.released")
        for e in events(action)
    ]
    assert recorded == [
        ("vault.consent.begun", "allowed", "alice"),
        ("vault.consent.completed", "allowed", "alice"),
        ("vault.token.released", "allowed", "alice"),
    ]
    released = events("vault.token.released")[0]
    assert (released.workload, released.provider, released.agent, released.client) == (
        "concierge-0123456789", "acme", "concierge-0123456789", "AKIATEST",
    )  # fmt: skip
    assert released.detail["grant"] == str(grant.pk)
    assert released.detail["session"] == SESSION


def test_the_provider_is_asked_with_pkce_and_a_state_that_is_new_each_time(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)

    first = parse_qs(urlsplit(world.to_provider(waiting, browser)).query)
    second = parse_qs(urlsplit(world.to_provider(waiting, browser)).query)

    assert first["code_challenge_method"] == second["code_challenge_method"] == ["S256"]
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]
    assert first["redirect_uri"] == [world.provider.callback_url]
    assert first["scope"] == ["calendar.read"]


def test_the_answer_to_a_request_that_was_replaced_is_worth_nothing(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    stale = world.there.allow(world.to_provider(waiting, browser), account="a")
    fresh = world.there.allow(world.to_provider(waiting, browser), account="a")

    assert browser.get(stale).status_code == 400
    assert browser.get(fresh).status_code == 302
    assert len(world.there.asked_at("/token")) == 1


def hidden(**values: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


def test_custom_parameters_and_resources_are_added_and_override_nothing(
    world: World, alice: User
) -> None:
    CredentialProvider.objects.update(
        extra_authorize_params={"access_type": "offline", "prompt": "consent"}
    )
    waiting = world.wait(
        alice,
        custom_parameters=hidden(
            redirect_uri="https://evil.example",
            state="chosen",
            code_challenge_method="plain",
            response_mode="form_post",
            Scope="everything",
            Prompt="none",
            tenant="other",
            login_hint="a",
        ),
        resources=("https://api.example/a", "https://api.example/b"),
    )
    query = urlsplit(_location(Browser(alice), waiting)).query
    asked = parse_qs(query)

    assert asked["redirect_uri"] == [world.provider.callback_url]
    assert asked["state"] != ["chosen"]
    assert asked["code_challenge_method"] == ["S256"]
    assert "response_mode" not in asked
    assert "Scope" not in asked
    assert asked["prompt"] == ["consent"]
    assert "Prompt" not in asked
    assert asked["access_type"] == ["offline"]
    assert asked["login_hint"] == ["a"]
    assert asked["resource"] == ["https://api.example/a", "https://api.example/b"]


def _location(browser: Browser, waiting: Any) -> str:
    return str(browser.get(waiting.authorization_url.reveal())["Location"])


def test_a_request_without_scopes_asks_for_the_providers_default(world: World, alice: User) -> None:
    asked = parse_qs(urlsplit(_location(Browser(alice), world.wait(alice, scopes=()))).query)

    assert "scope" not in asked


def test_the_older_of_two_tabs_at_the_provider_leads_to_the_newer_one(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    older = world.there.allow(world.to_provider(waiting, browser), account="alice")
    newer = world.there.allow(world.to_provider(waiting, browser), account="alice")

    page = browser.get(older)

    assert page.status_code == 400
    assert "you opened this request again in another tab; go on there" in page.content.decode()
    assert not Grant.objects.exists()
    assert browser.get(newer).status_code == 302
    assert "This link does not work" in browser.get(older).content.decode()


def test_nobody_is_asked_again_for_what_they_granted(world: World, alice: User) -> None:
    world.grant(alice, "calendar.read", "calendar.write")

    assert world.token(alice, "calendar.write")
    assert world.token(alice, "calendar.read")


def test_for_more_than_was_granted_the_person_is_asked_for_both(world: World, alice: User) -> None:
    before = world.grant(alice, "calendar.read")

    waiting = world.wait(alice, "contacts.read")
    assert world.session(waiting).scopes == ["calendar.read", "contacts.read"]

    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    grant = Grant.objects.get()
    assert grant.pk == before.pk
    assert grant.scopes == ["calendar.read", "contacts.read"]
    assert grant.generation == before.generation + 1
    assert world.token(alice, "calendar.read", "contacts.read")


def test_a_new_consent_keeps_nothing_of_the_old_tokens(world: World, alice: User) -> None:
    before = world.grant(alice)
    world.there.said_scope = "calendar.read"
    world.there.faults.append(Fault.NO_REFRESH_TOKEN)
    waiting = world.wait(alice, forced=True)
    world.consent(waiting, Browser(alice), account="alice's other account")
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    grant = Grant.objects.get(pk=before.pk)
    assert grant.refresh_sealed is None
    assert world.there.knows(world.token(alice)) == "alice's other account"


def test_forcing_authentication_asks_although_there_is_a_grant_and_polls_wait_for_it(
    world: World, alice: User
) -> None:
    world.grant(alice)
    old = world.token(alice)

    waiting = world.wait(alice, forced=True)
    assert world.wait(alice, session_uri=waiting.session_uri).session_uri == waiting.session_uri
    assert world.token(alice) == old

    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert world.token(alice, session_uri=waiting.session_uri) != old


def test_an_agent_that_tries_again_gets_the_same_session(world: World, alice: User) -> None:
    first = world.wait(alice, "calendar.read", "contacts.read", custom_state=Secret("s"))

    again = world.wait(alice, "calendar.read", "contacts.read", custom_state=Secret("s"))
    for_less = world.wait(alice, "calendar.read", custom_state=Secret("s"))

    assert first == again == for_less
    assert len(events("vault.consent.begun")) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"custom_state": Secret("other")},
        {"return_url": FOREIGN},
        {"forced": True},
        {"runtime_session_id": "another-conversation"},
        {"resources": ("https://api.example",)},
        {"custom_parameters": {"prompt": Secret("login")}},
    ],
)
def test_a_request_that_differs_gets_a_session_of_its_own(
    changed: dict[str, Any], world: World, alice: User
) -> None:
    first = world.wait(alice, custom_state=Secret("s"))

    assert world.wait(alice, **({"custom_state": Secret("s")} | changed)) != first


def test_another_person_gets_a_session_of_their_own(world: World, alice: User, bob: User) -> None:
    assert world.wait(alice) != world.wait(bob)


def test_a_consent_given_on_another_card_answers_this_ones_poll(world: World, alice: User) -> None:
    here = world.wait(alice)
    world.grant(alice, runtime_session_id="another-conversation")

    assert world.token(alice, session_uri=here.session_uri)


def test_a_foreign_page_gets_session_and_state_back_and_nobody_has_to_be_signed_in(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice, return_url=FOREIGN, custom_state=Secret("a/b&c"))

    back = world.consent(waiting, Browser())

    assert back.startswith(f"{FOREIGN}?")
    assert callback_query(back) == {
        "session_id": waiting.session_uri,
        "custom_state": "a/b&c",
        "state": "a/b&c",
    }


def test_a_person_named_by_an_opaque_user_id_can_consent_at_a_foreign_page(world: World) -> None:
    subject = Subject.opaque("customer 7")
    waiting = world.wait(subject, return_url=FOREIGN)
    world.consent(waiting, Browser())

    consent.complete(session=world.session(waiting), subject=subject, client="AKIATEST")

    assert world.token(subject)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("calendar.read profile", ["calendar.read", "openid", "profile"]),
        ("", ["openid"]),
        ('calendar.read bad"scope', ["calendar.read", "openid"]),
    ],
)
def test_what_the_provider_says_it_granted_is_what_counts(
    said: str, stored: list[str], world: World, alice: User
) -> None:
    world.there.said_scope = said

    assert world.grant(alice, "calendar.read", "openid").scopes == stored


def test_a_provider_that_says_nothing_of_scopes_granted_what_was_asked(
    world: World, alice: User
) -> None:
    world.there.says_scope = False

    assert world.grant(alice).scopes == ["calendar.read"]


def test_a_poll_ends_where_the_person_granted_less_than_was_asked(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice, "calendar.read", "calendar.write")
    world.consent(waiting, Browser(alice), scope="calendar.read")
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    with pytest.raises(ScopesNotGranted):
        world.read(alice, "calendar.read", "calendar.write", session_uri=waiting.session_uri)
    assert world.token(alice, "calendar.read")


@pytest.mark.django_db(transaction=True)
def test_each_step_is_announced_after_it_is_committed(world: World, alice: User) -> None:
    heard: list[str] = []

    def listen(session: ConsentSession, **_: Any) -> None:
        heard.append(session.status)
        assert ConsentSession.objects.get(pk=session.pk).status == session.status

    def break_down(**_: Any) -> None:
        raise RuntimeError("a listener that fails")

    consent_changed.connect(break_down)
    consent_changed.connect(listen)
    try:
        world.grant(alice)
        world.wait(alice, "contacts.read")
        world.wait(alice, "contacts.read")
    finally:
        consent_changed.disconnect(listen)
        consent_changed.disconnect(break_down)

    assert heard == [
        "pending", "authorizing", "exchanging", "exchanged", "completed", "pending", "pending",
    ]  # fmt: skip


def test_a_public_client_sends_its_id_and_no_secret(
    world: World, alice: User, there: Provider
) -> None:
    CredentialProvider.objects.update(client_auth="none", secret_sealed=None)
    waiting, browser = world.wait(alice), Browser(alice)

    response = browser.get(there.allow(world.to_provider(waiting, browser), account="a"))

    assert response.status_code == 502  # this provider wants a secret
    sent = there.asked_at("/token")[0]
    assert sent["client_id"] == "daiko vault"
    assert "client_secret" not in sent


def test_the_secret_goes_into_the_form_where_the_provider_wants_it_there(
    world: World, alice: User, there: Provider
) -> None:
    CredentialProvider.objects.update(client_auth="client_secret_post")

    world.grant(alice)

    assert there.asked_at("/token")[0]["client_secret"] == "s3cret:+/%&"
