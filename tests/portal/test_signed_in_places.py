"""Where a person is signed in, and signing out there from elsewhere."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEvent, User
from portal import browsers
from portal.models import SignIn
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/connections/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
EDGE = f"{CHROME} Edg/140.0.0.0"


def browser(user_agent: str = FIREFOX) -> Client:
    return Client(enforce_csrf_checks=True, headers={"User-Agent": user_agent})


def post(visitor: Client, path: str) -> Any:
    token = str(visitor.get(PAGE).context["csrf_token"])
    return visitor.post(path, {"csrfmiddlewaretoken": token})


def is_signed_in(visitor: Client) -> bool:
    return visitor.get("/connections/").status_code == 200


def end_of(signin: SignIn) -> str:
    return f"{PAGE}{signin.pk}/end/"


def newest(sub: str) -> SignIn:
    return SignIn.objects.filter(user__sub=sub).latest("started_at")


@pytest.mark.parametrize(
    "user_agent, words",
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        (CHROME, "Chrome on Windows"),
        (EDGE, "Edge on Windows"),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "Linux; Android 15"), "Chrome on Android"),
        (SAFARI.replace("Version/18.0", "CriOS/140.0"), "Chrome on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Firefox/140.0", "Firefox on macOS"),
        ("Mozilla/5.0 (Linux) something", "A browser on Linux"),
        ("Firefox/140.0", "Firefox"),
        ("curl/8", "An unknown browser"),
        ("", "An unknown browser"),
    ],
)
def test_a_browser_is_called_by_what_it_says(user_agent: str, words: str) -> None:
    assert browsers.in_words(user_agent) == words


def test_what_is_kept_of_a_browser_is_printable_and_bounded(provider: Provider) -> None:
    assert browsers.kept("a\x00b\x1b[0m\n" + "x" * 999) == "ab[0m" + "x" * 251
    assert browsers.kept(None) == ""

    sign_in(browser("Firefox/1 " + "y" * 5000), provider, "bob")

    assert SignIn.objects.get().user_agent == "Firefox/1 " + "y" * 246


def test_it_lists_ones_own_browsers_and_marks_this_one(provider: Provider) -> None:
    here = browser(FIREFOX)
    sign_in(browser(SAFARI), provider, "bob")
    sign_in(browser(EDGE), provider, "alice")
    sign_in(here, provider, "bob")

    page = here.get(PAGE)

    places = [(place.browser, place.is_here) for place in page.context["places"]]
    assert places == [("Firefox on Linux", True), ("Safari on iPhone", False)]
    text = page.content.decode()
    assert text.count("This browser") == 1
    assert "Edge" not in text
    assert PAGE in here.get("/connections/").content.decode()


def test_what_a_browser_says_of_itself_is_no_markup(provider: Provider) -> None:
    here = browser("<script>alert(1)</script> Firefox/1")
    sign_in(here, provider, "bob")

    assert "alert(1)" not in here.get(PAGE).content.decode()


def test_who_signs_out_elsewhere_is_out_there_with_the_next_request(provider: Provider) -> None:
    here, there = browser(), browser(SAFARI)
    sign_in(there, provider, "bob")
    ended = newest("bob")
    refresh = ended.refresh_token()
    sign_in(here, provider, "bob")

    told = post(here, end_of(ended))

    assert (told.status_code, told["Location"]) == (302, PAGE)
    assert "Signed out there." in here.get(PAGE).content.decode()
    assert not is_signed_in(there)
    assert there.get("/api/v1/agents").status_code == 401
    assert is_signed_in(here)
    ended.refresh_from_db()
    assert (ended.state, ended.access_sealed, ended.refresh_sealed) == ("revoked", None, None)
    assert refresh is not None
    assert provider.revoked == [refresh.reveal()]
    last = AuditEvent.objects.latest("pk")
    assert (last.action, last.subject_sub) == ("person.signin.ended_elsewhere", "bob")


def test_this_browser_can_be_ended_too(provider: Provider) -> None:
    here = browser()
    sign_in(here, provider, "bob")

    assert post(here, end_of(newest("bob")))["Location"] == "/"
    assert not is_signed_in(here)


def test_everywhere_else_leaves_this_browser_and_other_people(provider: Provider) -> None:
    here, alices = browser(), browser()
    others = [browser(), browser(SAFARI)]
    for one in (*others, here):
        sign_in(one, provider, "bob")
    sign_in(alices, provider, "alice")

    told = post(here, f"{PAGE}end-others/")

    assert told["Location"] == PAGE
    assert "Signed out in 2 browsers." in here.get(PAGE).content.decode()
    assert [is_signed_in(one) for one in others] == [False, False]
    assert (is_signed_in(here), is_signed_in(alices)) == (True, True)
    assert len(provider.revoked) == 2


def test_a_provider_that_is_away_is_asked_once_and_keeps_nobody_signed_in(
    provider: Provider,
) -> None:
    here, others = browser(), [browser(), browser()]
    for one in (*others, here):
        sign_in(one, provider, "bob")
    provider.issuer.answer("/revoke", {}, method="POST", status=500)
    before = provider.issuer.times_asked("/revoke")

    post(here, f"{PAGE}end-others/")

    assert [is_signed_in(one) for one in others] == [False, False]
    assert provider.issuer.times_asked("/revoke") == before + 1


def test_somebody_elses_sign_in_is_not_there(provider: Provider) -> None:
    here, alices = browser(), browser()
    sign_in(alices, provider, "alice")
    sign_in(here, provider, "bob")

    assert post(here, end_of(newest("alice"))).status_code == 404
    assert post(here, f"{PAGE}{uuid.uuid4()}/end/").status_code == 404
    assert is_signed_in(alices)
    assert provider.revoked == []


@pytest.mark.parametrize("what", ["end", "end-others"])
def test_neither_a_link_nor_another_sites_form_signs_anybody_out(
    what: str, provider: Provider
) -> None:
    here, there = browser(), browser()
    sign_in(there, provider, "bob")
    path = end_of(newest("bob")) if what == "end" else f"{PAGE}end-others/"
    sign_in(here, provider, "bob")

    assert here.get(path).status_code == 405
    assert here.post(path).status_code == 403
    assert Client().post(path).status_code == 401
    assert is_signed_in(there)


def test_when_somebody_was_here_is_written_now_and_then(
    provider: Provider,
) -> None:
    here = browser()
    sign_in(here, provider, "bob")
    first = SignIn.objects.get().seen_at
    assert first is not None

    here.get("/connections/")
    assert SignIn.objects.get().seen_at == first

    for earlier in (timezone.now() - timedelta(minutes=11), None):
        SignIn.objects.update(seen_at=earlier)
        here.get("/connections/")
        seen = SignIn.objects.get().seen_at
        assert seen is not None
        assert seen >= first


def sign_out(admin: Client, *people: User) -> Any:
    path = reverse("admin:core_user_changelist")
    token = str(admin.get("/connections/").context["csrf_token"])
    body = {
        "csrfmiddlewaretoken": token,
        "action": "sign_out_selected",
        "_selected_action": [str(person.pk) for person in people],
    }
    return admin.post(path, body)


def test_an_admin_signs_somebody_out_everywhere(provider: Provider) -> None:
    admin, bobs = browser(), [browser(), browser(SAFARI)]
    for one in bobs:
        sign_in(one, provider, "bob")
    sign_in(admin, provider, "alice")
    bob = User.objects.get(sub="bob")
    page = admin.get(reverse("admin:core_user_change", args=[bob.pk])).content.decode()
    assert "Safari on iPhone" in page

    sign_out(admin, bob)

    assert [is_signed_in(one) for one in bobs] == [False, False]
    assert is_signed_in(admin)
    ended = AuditEvent.objects.filter(action="person.signin.ended_by_admin")
    assert [(one.actor, one.subject_sub, one.detail["by"][1]) for one in ended] == [
        ("Alice", "bob", "alice"),
    ] * 2
    sign_in(bobs[0], provider, "bob")
    told = bobs[0].get(reverse("portal:activity")).content.decode()
    assert told.count("An administrator signed you out") == 2
    assert "Alice" not in told
    assert "signed you out" not in admin.get(reverse("portal:activity")).content.decode()


def test_an_admin_who_is_among_them_stays_here(provider: Provider) -> None:
    admin, elsewhere = browser(), browser()
    sign_in(elsewhere, provider, "alice")
    sign_in(admin, provider, "alice")

    sign_out(admin, User.objects.get(sub="alice"))

    assert (is_signed_in(admin), is_signed_in(elsewhere)) == (True, False)


def test_who_administers_without_the_permission_signs_nobody_out(provider: Provider) -> None:
    admin, bobs = browser(), browser()
    sign_in(bobs, provider, "bob")
    sign_in(admin, provider, "alice")
    User.objects.filter(sub="alice").update(is_superuser=False)
    bob = User.objects.get(sub="bob")

    sign_out(admin, bob)

    assert is_signed_in(bobs)
    assert not AuditEvent.objects.filter(action="person.signin.ended_by_admin").exists()
