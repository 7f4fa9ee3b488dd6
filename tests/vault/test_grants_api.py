"""Grants over the site's own API: a person's by their session, everybody's by a signature."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from agents.keys.access_keys import access_key_create
from agents.models import WorkloadIdentity
from agents.models.identities import SpentSignature
from core.models import AuditEvent, User
from tests.agents.conftest import signed_in
from tests.agents.signing import signed_headers
from tests.portal.site import Got, Site, running_site
from tests.vault.conftest import ADMIN, World, events
from vault.holdings import listing, taking_back
from vault.models import Grant, ObtainedToken

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/grants"


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


class Key:
    """An access key that signs calls of the site's API."""

    def __init__(self, site: Site, identity: WorkloadIdentity | None = None, **about: Any) -> None:
        self.site = site
        self.key, self.secret = access_key_create(
            label="test", workload_identity=identity, actor=ADMIN, **about
        )

    def headers(self, path: str, method: str = "GET") -> dict[str, str]:
        return signed_headers(
            f"http://testserver{path}",
            key_id=self.key.access_key_id,
            secret=self.secret,
            body=b"",
            method=method,
        )

    def ask(self, method: str = "GET", path: str = API, **query: Any) -> Got:
        asked = f"{path}?{urlencode(query)}" if query else path
        return self.site.ask(asked, method=method, headers=self.headers(asked, method))


def told(got: Got, status: int = 200) -> Any:
    assert got.status == status, got.body
    return json.loads(got.body)


def test_a_person_sees_their_own_and_no_token(
    site: Site, world: World, alice: User, bob: User
) -> None:
    grant = world.grant(alice)
    world.grant(bob)

    answer = signed_in(alice).get(API)

    (one,) = answer.json()["grants"]
    assert answer.json()["next"] is None
    assert one.pop("granted_at") and one.pop("access_expires_at") and one.pop("next_refresh_at")
    assert one == {
        "id": str(grant.pk),
        "kind": "granted",
        "user": {"iss": alice.iss, "sub": "alice"},
        "agent": world.identity.name,
        "agent_name": "Concierge",
        "workload_identity": world.identity.name,
        "provider": "acme",
        "provider_name": "Acme Calendar",
        "vendor": "CustomOauth2",
        "scopes": [{"name": "calendar.read", "words": "See your calendar"}],
        "resources": [],
        "audiences": [],
        "state": "live",
        "attention": None,
        "last_used_at": None,
        "ending": None,
    }
    access, refresh = grant.access_token(), grant.refresh_token()
    assert access and refresh
    assert access.reveal() not in answer.content.decode()
    assert refresh.reveal() not in answer.content.decode()


def test_a_person_takes_back_their_own_alone(world: World, alice: User, bob: User) -> None:
    grant = world.grant(alice)

    somebody_elses = signed_in(bob).delete(f"{API}/{grant.pk}")
    assert (somebody_elses.status_code, somebody_elses.json()["error"]) == (404, "grant_not_found")
    assert Grant.objects.get().state == "live"

    answer = signed_in(alice).delete(f"{API}/{grant.pk}")
    assert answer.json() == {"id": str(grant.pk), "outcome": "revoked_at_provider"}
    assert signed_in(alice).get(API).json()["grants"] == []
    (ended,) = signed_in(alice).get(API, {"state": "revoked"}).json()["grants"]
    assert (ended["ending"]["by"], ended["ending"]["outcome"]) == ("person", "revoked_at_provider")
    assert signed_in(alice).delete(f"{API}/{grant.pk}").status_code == 404


def test_a_person_is_not_asked_about_others_nor_lets_go_of_all(
    world: World, alice: User, bob: User
) -> None:
    world.grant(bob)
    alice.is_staff = alice.is_superuser = True
    alice.save()

    named = signed_in(alice).get(API, {"user_iss": bob.iss, "user_sub": bob.sub})
    all_of_it = signed_in(alice).delete(f"{API}?provider=acme")

    assert (named.status_code, all_of_it.status_code) == (403, 403)
    assert signed_in(alice).get(API).json()["grants"] == []
    assert Grant.objects.get().state == "live"


def test_a_session_needs_its_csrf_token(world: World, alice: User) -> None:
    grant = world.grant(alice)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in(alice).cookies

    assert strict.delete(f"{API}/{grant.pk}").status_code == 403
    assert Grant.objects.get().state == "live"


def test_nobody_gets_nothing(site: Site, world: World, alice: User) -> None:
    grant = world.grant(alice)

    for method, path in [("GET", API), ("DELETE", API), ("DELETE", f"{API}/{grant.pk}")]:
        assert told(site.ask(path, method=method), 401)["error"] == "sign_in_required"
    assert Grant.objects.get().state == "live"


def test_it_says_what_needs_attention_and_why(world: World, alice: User) -> None:
    world.grant(alice)

    def attention(**changed: Any) -> Any:
        Grant.objects.update(**changed)
        return signed_in(alice).get(API).json()["grants"][0]["attention"]

    gone = "2020-01-01T00:00:00Z"
    assert attention(failures=1, last_failure="provider_unavailable") is None  # it is good yet
    assert attention(access_expires_at=gone) == {
        "code": "away",
        "message": "Acme Calendar has not answered for a while. Concierge can use it again as soon "
        "as it does.",
        "last_failure": "provider_unavailable",
    }
    assert attention(state="lapsed")["code"] == "over"


def test_an_operator_lists_by_whose_and_where_page_by_page(
    site: Site, world: World, alice: User, bob: User
) -> None:
    ids = sorted([str(world.grant(alice).pk), str(world.grant(bob).pk)])
    operator = Key(site)

    first = told(operator.ask(limit=1))
    second = told(operator.ask(limit=1, after=first["next"]))
    assert [one["id"] for page in (first, second) for one in page["grants"]] == ids
    assert second["next"] is None

    def people(**query: str) -> list[str]:
        return sorted(one["user"]["sub"] for one in told(operator.ask(**query))["grants"])

    assert people(user_iss=bob.iss, user_sub=bob.sub) == ["bob"]
    assert people(agent=world.identity.name) == ["alice", "bob"]
    assert people(workload_identity="another") == []
    assert people(provider="acme", state="live") == ["alice", "bob"]
    assert people(state="revoked") == []


def test_an_operator_takes_back_what_a_filter_means(
    site: Site, world: World, alice: User, bob: User
) -> None:
    mine, his = world.grant(alice), world.grant(bob)
    operator = Key(site)

    answer = told(operator.ask("DELETE", user_iss=alice.iss, user_sub=alice.sub))

    assert answer == {
        "revoked": [{"id": str(mine.pk), "outcome": "revoked_at_provider"}],
        "outcomes": {"revoked_at_provider": 1},
        "more": False,
    }
    assert Grant.objects.get(pk=his.pk).state == "live"
    (event,) = events("vault.grant.revoked")
    assert (event.actor, event.subject_sub) == (operator.key.access_key_id, "alice")

    assert told(operator.ask("DELETE", f"{API}/{his.pk}"))["outcome"] == "revoked_at_provider"
    assert told(operator.ask("DELETE", f"{API}/{his.pk}"), 404)["error"] == "grant_not_found"


def test_what_is_not_told_in_time_is_over_here_and_told_later(
    site: Site, world: World, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant(alice)
    world.grant(bob)
    monkeypatch.setattr(taking_back, "MOST", 1)
    monkeypatch.setattr(taking_back, "_TELLING_S", -1.0)
    operator = Key(site)

    first = told(operator.ask("DELETE", provider="acme"))
    second = told(operator.ask("DELETE", provider="acme"))

    assert [page["outcomes"] for page in (first, second)] == [{"provider_away": 1}] * 2
    assert [page["more"] for page in (first, second)] == [True, False]
    assert {grant.state for grant in Grant.objects.all()} == {"revoked"}


def test_an_operator_sees_and_ends_what_no_person_was_asked_for(site: Site, world: World) -> None:
    world.token(None, flow="M2M")
    operator = Key(site)

    (one,) = told(operator.ask())["grants"]
    assert (one["kind"], one["user"], one["scopes"][0]["name"]) == ("own", None, "calendar.read")

    told(operator.ask("DELETE", workload_identity=world.identity.name))
    assert not ObtainedToken.objects.exists()

    world.token(None, flow="M2M")
    again = ObtainedToken.objects.get().pk
    told(operator.ask("DELETE", f"{API}/{again}"))
    assert not ObtainedToken.objects.exists()


def test_a_revocation_says_whose_and_nothing_that_is_not_understood(
    site: Site, world: World, alice: User
) -> None:
    world.grant(alice)
    operator = Key(site)
    bad: list[dict[str, Any]] = [
        *({}, {"user": "alice"}, {"provider": "acme", "usr_sub": "bob"}),
        *({"user_iss": alice.iss}, {"provider": "acme", "state": "live"}, {"provider": "\0"}),
    ]

    for query in bad:
        assert operator.ask("DELETE", **query).status == 400, query
    untaken = operator.ask("DELETE", provider="acme", state="live")
    assert "is not one that this request takes" in str(untaken.body)
    twice = f"{API}?provider=acme&provider=other"
    assert site.ask(twice, method="DELETE", headers=operator.headers(twice, "DELETE")).status == 400
    for query in ({"limit": 0}, {"limit": 101}, {"after": "x"}, {"state": "x"}):
        assert operator.ask(**query).status == 400, query

    assert Grant.objects.get().state == "live"


def test_another_signature_does_nothing(site: Site, world: World, alice: User) -> None:
    grant = world.grant(alice)
    one = f"{API}/{grant.pk}"
    operator, agents = Key(site), Key(site, world.identity)
    limited = Key(site, operations=["ListGrants"])

    assert told(agents.ask(), 403)["error"] == "operation_not_allowed"
    assert told(agents.ask("DELETE", one), 403)["error"] == "operation_not_allowed"
    assert told(limited.ask())["grants"]
    assert told(limited.ask("DELETE", one), 403)["error"] == "operation_not_allowed"
    elsewhere = operator.headers(f"{API}/{uuid.uuid4()}", "DELETE")
    moved = site.ask(one, method="DELETE", headers=elsewhere)
    assert told(moved, 403)["error"] == "signature_refused"
    assert Grant.objects.get().state == "live"
    refused = AuditEvent.objects.filter(action="wire.call").order_by("pk")
    assert [event.reason for event in refused] == [
        *["operation_not_allowed"] * 3,
        "signature_mismatch",
    ]


def test_a_signature_for_what_is_no_operation_is_refused(site: Site, world: World) -> None:
    operator = Key(site)

    for method in ("PUT", "POST", "OPTIONS", "HEAD"):
        assert operator.ask(method).status == 405, method


def test_a_revocation_is_not_replayed_later(site: Site, world: World, alice: User) -> None:
    world.grant(alice)
    path = f"{API}?provider=acme"
    once = Key(site).headers(path, "DELETE")

    assert site.ask(path, method="DELETE", headers=once).status == 200
    SpentSignature.objects.update(first_at="2020-01-01T00:00:00Z")
    assert told(site.ask(path, method="DELETE", headers=once), 403)["error"] == "signature_refused"


def test_pages_go_by_both_tables(world: World, alice: User) -> None:
    ids = {world.grant(alice).pk}
    world.token(None, flow="M2M")
    ids |= set(ObtainedToken.objects.values_list("pk", flat=True))

    first, after = listing.page(listing.Filters(), after=None, limit=1)
    second, end = listing.page(listing.Filters(), after=after, limit=1)

    assert [one.id for one in (*first, *second)] == sorted(ids)
    assert end is None
