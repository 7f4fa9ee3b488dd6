"""The page on which an admin asks why an agent takes a token, and what is kept of it: nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.explainer import sources
from agents.models import Agent
from agents.policies import stored
from core import audit
from core.models import AuditEvent, User
from core.secret import Secret
from portal.errors import SignInExpired
from tests.agents.conftest import ADMIN, make_agent, signed_in
from tests.fixtures.issuer import Issuer


@pytest.fixture
def agent(db: None, issuer: Issuer) -> Agent:
    return make_agent("concierge", issuer, everyone=True)


def page_of(agent: Agent) -> str:
    return reverse("admin:agents_agent_explain", args=[agent.pk])


def explained(client: Client, agent: Agent, **asked: str) -> Any:
    return client.post(page_of(agent), {"endpoint": "DEFAULT", **asked})


class Known:
    """Bob is signed in; what his token is, a test says."""

    def __init__(self, bob: User) -> None:
        self.bob = sources.SignedIn(str(bob.pk), "Bob", bob.subject)
        self.token: str | None = None
        self.asked: list[str] = []

    def signed_in(self, *, at_most: int) -> list[sources.SignedIn]:
        return [self.bob][:at_most]

    def token_of(self, person: sources.SignedIn) -> Secret:
        self.asked.append(person.key)
        if self.token is None:
            raise SignInExpired
        return Secret(self.token)


@pytest.fixture
def known(bob: User) -> Iterator[Known]:
    found = Known(bob)
    sources.include(found)
    yield found
    sources._sources.remove(found)


def test_the_agents_page_leads_to_it(admin: Client, agent: Agent) -> None:
    page = admin.get(reverse("admin:agents_agent_change", args=[agent.pk])).content.decode()

    assert page_of(agent) in page
    assert "Explain a token" in page


def test_a_good_token_is_taken(admin: Client, agent: Agent, issuer: Issuer) -> None:
    response = explained(admin, agent, token=issuer.token())

    page = response.content.decode()
    assert "Concierge takes this token" in page
    assert response.context["explanation"].refusal is None
    assert page.count('class="finding ') == 21


def test_the_first_check_that_refuses_is_told_with_the_fix(
    admin: Client, agent: Agent, issuer: Issuer
) -> None:
    page = explained(admin, agent, token=issuer.token(client_id="other", exp=1)).content.decode()

    assert "refuses this token" in page
    assert "401 <code>expired</code>" in page
    assert "Token has expired" in page
    assert "would refuse, too" in page
    assert "The token was issued to the client “other”" in page


def test_an_id_token_is_known_for_one(admin: Client, agent: Agent, issuer: Issuer) -> None:
    token = issuer.token(client_id=None, scope=None, aud="app", nonce="n", header={"typ": "JWT"})

    assert (
        "This is an ID token; the authorizer lists allowed clients, which only match client_id. "
        "Add the audience “app” to the authorizer, or send the access token."
    ) in explained(admin, agent, token=token).content.decode()


@pytest.mark.parametrize("before", ["", "Bearer ", "  "])
def test_the_token_is_not_in_the_answer_in_the_trail_or_in_the_log(
    admin: Client, agent: Agent, issuer: Issuer, caplog: Any, before: str
) -> None:
    token = issuer.token(client_id="other")
    with caplog.at_level(logging.DEBUG):
        response = explained(admin, agent, token=before + token)

    assert response.status_code == 200
    kept = [response.content.decode(), str(response.headers), caplog.text]
    kept += [str(event.detail) for event in AuditEvent.objects.all()]
    for part in token.split(".")[1:]:
        assert not [text for text in kept if part in text]
    assert "no-store" in response.headers["cache-control"]


def test_a_token_in_the_address_is_not_looked_at(
    admin: Client, agent: Agent, issuer: Issuer
) -> None:
    response = admin.get(page_of(agent), {"token": issuer.token(), "endpoint": "DEFAULT"})

    assert response.context["explanation"] is None


def test_that_somebody_looked_is_on_record(
    admin: Client, agent: Agent, issuer: Issuer, alice: User
) -> None:
    explained(admin, agent, token=issuer.token(sub="bob"))

    event = AuditEvent.objects.get(action="admin.token.explained")
    assert (event.subject_sub, event.agent) == ("alice", agent.agent_id)
    assert event.detail == {
        "endpoint": "DEFAULT",
        "looked_up": False,
        "iss": issuer.url,
        "sub": "bob",
    }


def test_a_token_that_proves_nobody_is_about_nobody_on_record(
    admin: Client, agent: Agent, issuer: Issuer
) -> None:
    header, claims, _signature = issuer.token(sub="bob").split(".")

    explained(admin, agent, token=f"{header}.{claims}.AAAA")

    event = AuditEvent.objects.get(action="admin.token.explained")
    assert event.detail == {"endpoint": "DEFAULT", "looked_up": False}


def test_what_cannot_be_put_on_record_is_not_shown(
    admin: Client, agent: Agent, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(event: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", away)

    response = explained(admin, agent, token=issuer.token())

    assert response.context["explanation"] is None
    assert response.context["form"].errors


def test_a_signed_in_persons_token_is_looked_up_and_that_is_on_record(
    admin: Client, agent: Agent, issuer: Issuer, bob: User, known: Known
) -> None:
    known.token = issuer.token(sub="bob")

    page = explained(admin, agent, person=known.bob.key).content.decode()

    assert "takes this token" in page
    assert known.token not in page
    event = AuditEvent.objects.get(action="admin.token.explained")
    assert event.detail == {
        "endpoint": "DEFAULT",
        "looked_up": True,
        "iss": bob.iss,
        "sub": "bob",
    }


def test_a_person_whose_sign_in_is_over_has_no_token(
    admin: Client, agent: Agent, known: Known
) -> None:
    response = explained(admin, agent, person=known.bob.key)

    assert response.context["explanation"] is None
    assert response.context["form"].errors


@pytest.mark.parametrize("asked", [{}, {"token": "x", "person": "bob"}, {"person": "nobody"}])
def test_it_takes_one_of_the_two(
    admin: Client, agent: Agent, known: Known, asked: dict[str, str]
) -> None:
    if asked.get("person") == "bob":
        asked = {**asked, "person": known.bob.key}

    response = explained(admin, agent, **asked)

    assert response.context["explanation"] is None
    assert response.context["form"].errors
    assert known.asked == []
    assert not AuditEvent.objects.filter(action="admin.token.explained").exists()


def test_whoever_may_only_look_may_paste_and_look_nobody_up(
    looker: Client, agent: Agent, issuer: Issuer, known: Known
) -> None:
    assert "takes this token" in explained(looker, agent, token=issuer.token()).content.decode()

    response = explained(looker, agent, person=known.bob.key)

    assert "person" not in response.context["form"].fields
    assert response.context["explanation"] is None
    assert known.asked == []


def test_others_do_not_see_it(charlie: User, agent: Agent, issuer: Issuer) -> None:
    client = signed_in(charlie)
    assert explained(client, agent, token=issuer.token()).status_code == 403

    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.set(Permission.objects.filter(codename="view_user"))
    assert explained(client, agent, token=issuer.token()).status_code == 403
    assert not AuditEvent.objects.filter(action="admin.token.explained").exists()


def test_an_issuer_that_is_away_is_a_finding(admin: Client, agent: Agent, issuer: Issuer) -> None:
    issuer.answer("/.well-known/openid-configuration", status=503)

    response = explained(admin, agent, token=issuer.token())

    refusal = response.context["explanation"].refusal
    assert (refusal.check, refusal.code, refusal.status) == ("issuer", "issuer_unavailable", 503)


def test_what_is_asked_of_the_person_is_told_after_the_token(
    admin: Client, issuer: Issuer, db: None
) -> None:
    agent = make_agent("closed", issuer)
    Agent.objects.filter(pk=agent.pk).update(enabled=False)

    response = explained(admin, agent, token=issuer.token())

    found = {each.check: each for each in response.context["explanation"].findings}
    assert found["users"].decides
    assert found["users"].code == "agent_not_found"
    assert (found["agent"].code, found["agent"].decides) == ("agent_disabled", False)


def test_a_policy_that_denies_is_told_of_as_the_last(
    admin: Client, agent: Agent, issuer: Issuer
) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Sid": "Never"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stored.policy_put(resource_arn=agent.arn, text=text, actor=ADMIN)

    refusal = explained(admin, agent, token=issuer.token()).context["explanation"].refusal

    assert (refusal.check, refusal.code, refusal.status) == ("policy", "policy_denied", 403)
    assert refusal.found == (f"policy_of: {agent.arn}", "statement: Never")


def test_a_lookup_while_the_trail_is_away_looks_nobody_up(
    admin: Client, agent: Agent, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(event: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", away)

    response = explained(admin, agent, person=known.bob.key)

    assert response.context["explanation"] is None
    assert known.asked == []


def test_an_agent_that_takes_signatures_takes_no_token(
    admin: Client, issuer: Issuer, db: None
) -> None:
    agent = make_agent(
        "signed", auth_mode="SIGV4", discovery_url="", allowed_clients=(), everyone=True
    )

    response = explained(admin, agent, token=issuer.token())

    assert response.context["explanation"].refusal.code == "auth_mode_mismatch"
