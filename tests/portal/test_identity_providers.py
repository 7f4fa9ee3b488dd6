"""Two identity providers side by side: who is asked, of whom it may speak, and what never mixes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as live
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents.authorizer import groups_of
from agents.models import Agent
from core import jose
from core.identity_providers import IdentityProvider
from core.models import AuditEvent, User
from core.secret import Secret
from portal import checks
from portal.models import SignIn
from portal.selectors import agents_for
from portal.signins import access_token_for
from tests.fixtures.issuer import signing_key
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, providing

pytestmark = pytest.mark.django_db

BEGIN = "/oidc/authenticate/"
CALLBACK = {"": "/oidc/callback/", "partner": "/oidc/partner/callback/"}
LOGOUT = {"": "/oidc/backchannel-logout/", "partner": "/oidc/partner/backchannel-logout/"}


@pytest.fixture
def partner(provider: Provider, settings: Settings) -> Iterator[Provider]:
    with providing() as running:
        settings.OIDC_LABEL = "Our house"
        settings.OIDC_FURTHER = (further(running),)
        yield running


def further(running: Provider, *, name: str = "partner", label: str = "Partner & Co") -> Any:
    return IdentityProvider(
        name, label, running.url, CLIENT_ID, Secret(CLIENT_SECRET), "openid profile"
    )


def begin(visitor: Client, name: str, **asked: str) -> str:
    """Return where the browser is sent to sign in at the provider of that name."""
    answer = visitor.get(BEGIN, {"provider": name, **asked})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def sign_in(visitor: Client, at: Provider, person: str, *, name: str, **asked: str) -> Any:
    url = begin(visitor, name, **asked)
    return visitor.get(CALLBACK[name], at.callback_for(url, person))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def refused() -> list[str]:
    return list(
        AuditEvent.objects.filter(action="person.signin.refused").values_list("reason", flat=True)
    )


def is_signed_in(visitor: Client) -> bool:
    return visitor.get("/connections/").status_code == 200


def test_a_page_asks_where_the_account_is_and_asks_no_provider(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    away = visitor.get("/connections/?a=1")
    page = visitor.get(away["Location"])

    assert page.status_code == 200
    links = page.context["links"]
    assert [label for label, _url in links] == ["Our house", "Partner & Co"]
    assert [query_of(url) for _label, url in links] == [
        {"next": "/connections/?a=1"},
        {"provider": "partner", "next": "/connections/?a=1"},
    ]
    assert "Partner &amp; Co" in page.content.decode()
    assert provider.issuer.asked == partner.issuer.asked == []


def test_somebody_signs_in_at_the_further_one_and_comes_back_to_where_they_were(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    url = begin(visitor, "partner", next="/connections/?a=1")
    answer = visitor.get(CALLBACK["partner"], partner.callback_for(url, "bob"))

    assert (answer.status_code, answer["Location"]) == (302, "/connections/?a=1")
    assert url.startswith(f"{partner.url}/authorize?")
    assert query_of(url)["redirect_uri"] == "http://localhost:8000/oidc/partner/callback/"
    assert query_of(url)["scope"] == "openid profile"
    assert User.objects.get().iss == partner.url
    assert is_signed_in(visitor)
    assert provider.issuer.asked == []


def test_a_name_at_two_providers_is_two_people(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    other = Client()
    sign_in(visitor, provider, "bob", name="")
    sign_in(other, partner, "bob", name="partner")

    assert {(user.iss, user.sub, user.email) for user in User.objects.all()} == {
        (provider.url, "bob", "b@x.example"),
        (partner.url, "bob", "b@x.example"),
    }


def test_groups_of_the_further_one_bear_its_name_and_administer_nothing(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    sign_in(visitor, partner, "alice", name="partner")

    alice = User.objects.get()
    assert [group.name for group in alice.groups.all()] == ["partner:admins"]
    assert (alice.is_staff, alice.is_superuser) == (False, False)
    assert visitor.get("/admin/").status_code == 403


def test_its_groups_may_be_named_by_an_admin(
    visitor: Client, provider: Provider, partner: Provider, settings: Settings
) -> None:
    settings.DAIKO_ADMIN_GROUPS = ["partner:admins"]

    sign_in(visitor, partner, "alice", name="partner")

    assert User.objects.get().is_superuser


@pytest.mark.parametrize("said", ["partner:admins", "partner:partner:admins"])
def test_no_other_provider_says_who_is_in_its_groups(
    said: str, visitor: Client, provider: Provider, partner: Provider
) -> None:
    provider.people["bob"].claims["groups"] = [said, "staff"]

    sign_in(visitor, provider, "bob", name="")

    assert [group.name for group in User.objects.get().groups.all()] == ["staff"]


@pytest.mark.parametrize(
    "issuer, groups",
    [("partner", {"partner:admins"}), ("first", {"admins"}), ("elsewhere", {"admins"})],
)
def test_a_token_at_an_agent_names_groups_in_the_same_way(
    issuer: str, groups: set[str], provider: Provider, partner: Provider
) -> None:
    iss = {"partner": partner.url, "first": provider.url}.get(issuer, "https://elsewhere.example")
    said = ["admins"] if issuer == "partner" else ["admins", "partner:admins"]

    assert groups_of(jose.Claims({"iss": iss, "groups": said}), "groups") == frozenset(groups)


@pytest.mark.parametrize("spelled", ["/", "//", "?x", "#x"])
def test_however_a_provider_spells_its_issuer_its_groups_are_its_own(
    spelled: str, provider: Provider, partner: Provider
) -> None:
    claims = jose.Claims({"iss": partner.url + spelled, "groups": ["admins", "partner:vip"]})

    named = {"partner:admins", "partner:partner:vip"}
    assert groups_of(claims, "groups") == frozenset(named)


def test_nobody_takes_the_place_of_who_is_signed_in_by_another_provider(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    sign_in(visitor, provider, "alice", name="")
    partner.people["bob"].claims |= {"name": "Alice"}

    begun = visitor.get(BEGIN, {"provider": "partner", "next": "/connections/"})

    assert begun.status_code == 409
    page = begun.content.decode()
    assert "To use your account at Partner &amp; Co, sign out first." in page
    assert "Use another account" in page
    assert User.objects.get(pk=visitor.session[SESSION_KEY]).iss == provider.url


def test_nor_does_an_answer_that_was_begun_before_they_signed_in(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    before = begin(visitor, "partner")
    sign_in(visitor, provider, "alice", name="")

    answer = visitor.get(CALLBACK["partner"], partner.callback_for(before, "bob"))

    assert answer.status_code == 409
    assert refused() == ["signed_in_already"]
    assert User.objects.get(pk=visitor.session[SESSION_KEY]).iss == provider.url
    assert SignIn.objects.get().is_live


def test_a_page_says_at_which_provider_somebody_is_signed_in(
    visitor: Client, provider: Provider, partner: Provider, settings: Settings
) -> None:
    sign_in(visitor, partner, "bob", name="partner")
    assert "Bob · Partner &amp; Co" in visitor.get("/connections/").content.decode()

    visitor.post("/oidc/logout/")
    settings.OIDC_FURTHER = ()
    sign_in(visitor, provider, "bob", name="")
    assert "Bob ·" not in visitor.get("/connections/").content.decode()


@pytest.mark.parametrize("asked, answers", [("", "partner"), ("partner", "")])
def test_an_answer_at_the_callback_of_another_goes_to_no_token_endpoint(
    asked: str, answers: str, visitor: Client, provider: Provider, partner: Provider
) -> None:
    at = {"": provider, "partner": partner}
    url = begin(visitor, asked)

    answer = visitor.get(CALLBACK[answers], at[asked].callback_for(url, "alice"))

    assert answer.status_code == 400
    assert "Another sign-in service answered" in answer.content.decode()
    assert refused() == ["another_provider"]
    assert not User.objects.exists()
    assert provider.issuer.times_asked("/token") == partner.issuer.times_asked("/token") == 0


def test_an_answer_in_the_name_of_another_goes_to_no_token_endpoint(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    url = begin(visitor, "partner")

    answer = visitor.get(
        CALLBACK["partner"], partner.callback_for(url, "alice") | {"iss": provider.url}
    )

    assert answer.status_code == 403
    assert refused() == ["response_issuer_mismatch"]
    assert not User.objects.exists()
    assert partner.issuer.times_asked("/token") == 0


@pytest.mark.parametrize(
    "forged, reason",
    [({"iss": "the first"}, "issuer_mismatch"), ({"aud": "another"}, "audience_mismatch")],
)
def test_the_further_one_says_nothing_in_the_name_of_the_first(
    forged: dict[str, str], reason: str, visitor: Client, provider: Provider, partner: Provider
) -> None:
    claims = {**forged, "iss": provider.url} if "iss" in forged else forged
    partner.forgery.claims = claims

    answer = sign_in(visitor, partner, "alice", name="partner")

    assert answer.status_code == 403
    assert "Sign-in service: Partner &amp; Co" in answer.content.decode()
    assert refused() == [reason]
    assert not User.objects.exists()


def test_a_key_of_the_further_one_signs_nothing_for_the_first(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    partner.issuer.keys = [signing_key("of the partner")]
    provider.forgery.options = {"key": partner.issuer.keys[0]}

    assert sign_in(visitor, provider, "alice", name="").status_code == 403
    assert refused() == ["unknown_key"]
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["nobody", "PARTNER"])
def test_there_is_no_way_by_another_name(
    name: str, visitor: Client, provider: Provider, partner: Provider
) -> None:
    answered = {"code": "x", "state": "y"}
    assert visitor.get(BEGIN, {"provider": name}).status_code == 404
    assert visitor.get(f"/oidc/{name}/callback/", answered).status_code == 404
    assert visitor.post(f"/oidc/{name}/backchannel-logout/").status_code == 404
    assert provider.issuer.asked == partner.issuer.asked == []
    assert not AuditEvent.objects.exists()


def test_one_alone_is_asked_at_once_whatever_is_named(visitor: Client, provider: Provider) -> None:
    assert begin(visitor, "partner").startswith(f"{provider.url}/authorize?")
    assert visitor.get("/oidc/partner/callback/", {"code": "x", "state": "y"}).status_code == 404


def test_where_somebody_signed_in_last_stands_first(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    sign_in(visitor, partner, "bob", name="partner")

    page = visitor.get(BEGIN)

    assert [label for label, _url in page.context["links"]] == ["Partner & Co", "Our house"]
    assert "last time" in page.content.decode()
    cookie = visitor.cookies["daiko_provider"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("partner", True, "Lax")


def test_one_that_is_away_keeps_nobody_from_the_other(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    provider.issuer.answer("/.well-known/openid-configuration", status=503)

    away = visitor.get(BEGIN, {"provider": ""})
    answer = sign_in(visitor, partner, "bob", name="partner")

    assert (away.status_code, answer.status_code) == (503, 302)
    assert is_signed_in(visitor)


def test_a_sign_in_is_renewed_and_ended_at_its_own_provider(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    sign_in(visitor, partner, "bob", name="partner")
    SignIn.objects.update(access_expires_at=timezone.now() + timedelta(seconds=5))
    signin = SignIn.objects.select_related("user").get()

    access_token_for(signin)
    page = visitor.get("/connections/")
    answer = visitor.post("/oidc/logout/", {"csrfmiddlewaretoken": str(page.context["csrf_token"])})

    assert partner.refreshed == 1
    assert answer["Location"].startswith(f"{partner.url}/logout?")
    assert len(partner.revoked) == 1
    assert not is_signed_in(visitor)
    assert provider.issuer.asked == []


def test_signing_in_again_goes_to_the_provider_of_the_sign_in(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    sign_in(visitor, partner, "bob", name="partner")

    answer = visitor.get(BEGIN, {"again": "yes", "provider": "", "next": "/admin/"})

    assert answer["Location"].startswith(f"{partner.url}/authorize?")
    assert (query_of(answer["Location"])["prompt"], query_of(answer["Location"])["max_age"]) == (
        "login",
        "0",
    )


@pytest.mark.parametrize("teller, ended", [("", "first"), ("partner", "partner")])
def test_a_provider_ends_its_own_sign_ins_alone(
    teller: str, ended: str, provider: Provider, partner: Provider
) -> None:
    at = {"": provider, "partner": partner}
    browsers = {"first": Client(), "partner": Client()}
    sign_in(browsers["first"], provider, "bob", name="")
    sign_in(browsers["partner"], partner, "bob", name="partner")

    token = at[teller].logout_token(sub="bob")
    other = "" if teller else "partner"
    assert Client().post(LOGOUT[other], {"logout_token": token}).status_code == 400
    assert all(map(is_signed_in, browsers.values()))

    assert Client().post(LOGOUT[teller], {"logout_token": token}).status_code == 200
    assert {name: is_signed_in(one) for name, one in browsers.items()} == {
        name: name != ended for name in browsers
    }


def test_a_sign_in_is_over_once_its_provider_is_not_named_any_more(
    visitor: Client, provider: Provider, partner: Provider, settings: Settings
) -> None:
    sign_in(visitor, partner, "bob", name="partner")

    settings.OIDC_FURTHER = ()

    assert not is_signed_in(visitor)
    assert visitor.get("/api/v1/agents").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_people_are_offered_agents_that_take_the_tokens_of_their_own_provider(
    agent: Agent, provider: Provider, partner: Provider
) -> None:
    agent.allow_everyone = True
    agent.save()
    sign_in(Client(), provider, "bob", name="")
    sign_in(Client(), partner, "bob", name="partner")

    offered = {user.iss: list(agents_for(user)) for user in User.objects.all()}

    assert offered == {provider.url: [agent], partner.url: []}


def test_a_frame_that_signs_out_may_be_of_each(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    policy = visitor.get("/oidc/frontchannel-logout/")["Content-Security-Policy"]

    each = [one.issuer.url.removesuffix(urlsplit(one.url).path) for one in (provider, partner)]
    assert f"frame-ancestors {' '.join(each)};" in f"{policy};"


def test_it_refuses_one_that_is_named_twice_or_asked_in_clear(
    provider: Provider, partner: Provider, settings: Settings
) -> None:
    settings.OIDC_FURTHER += (further(provider, name="again"),)
    assert [found.id for found in checks.identity_provider(None)] == ["daiko.E009"]

    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = []
    found = checks.identity_provider(None)
    assert [one.id for one in found].count("daiko.E008") == 3
    assert any("OIDC_PARTNER_ISSUER" in str(one.msg) for one in found)


def test_a_secret_of_the_settings_is_not_shown(partner: Provider) -> None:
    assert CLIENT_SECRET not in repr(live.OIDC_FURTHER)


def test_a_group_of_that_name_was_there_before_and_stays_the_firsts(
    visitor: Client, provider: Provider, partner: Provider
) -> None:
    staff = Group.objects.create(name="staff")

    sign_in(visitor, partner, "bob", name="partner")

    assert not User.objects.filter(groups=staff).exists()
