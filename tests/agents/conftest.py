"""Alice administers, bob uses, charlie must see nothing; an issuer for all three."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from agents import authorizer, issuers, policies, services, snapshot
from agents.configuration import Configuration
from agents.keys import verification
from agents.models import Agent
from core import crypto, jose
from core.audit import Actor
from core.models import AuditEvent, User
from portal.models import SignIn
from portal.signins import SESSION_SIGNIN
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.loops import run  # noqa: F401 - a fixture

ADMIN = Actor("an admin")


@pytest.fixture(autouse=True)
def _nothing_remembered(settings: Any) -> Iterator[None]:
    """Let no test lean on what another one left in this process."""
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    crypto.forget_opened_keys()
    jose.forget_issuers()
    authorizer.forget()
    snapshot.forget()
    verification.forget()
    issuers.forget()
    policies.forget()
    yield
    crypto.forget_opened_keys()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


def person(name: str, iss: str = "https://idp.example") -> User:
    return User.objects.create(username=f"{name}-{iss}", iss=iss, sub=name, name=name.title())


@pytest.fixture
def alice(db: None) -> User:
    return person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob")


@pytest.fixture
def charlie(db: None) -> User:
    return person("charlie")


@pytest.fixture
def staff(db: None) -> Group:
    return Group.objects.create(name="staff")


def signed_in(user: User, *, fresh: bool = True) -> Client:
    client = Client()
    client.force_login(user, backend="portal.flows.signin.Backend")
    session = client.session
    signin = SignIn.objects.create(user=user)
    session[SESSION_SIGNIN] = str(signin.pk)
    if fresh:
        session["proved"] = [str(signin.pk), time.time()]
    session.save()
    return client


@pytest.fixture
def admin(alice: User) -> Client:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    return signed_in(alice)


@pytest.fixture
def looker(bob: User) -> Client:
    """Bob, who may look at everything and change nothing."""
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return signed_in(bob)


def configured(issuer: Issuer | None = None, **changed: Any) -> Configuration:
    """Return a configuration that is good, changed as asked."""
    good: dict[str, Any] = {
        "url": "http://127.0.0.1:8080",
        "discovery_url": issuer.discovery_url
        if issuer
        else "https://idp.example/.well-known/openid-configuration",
        "allowed_clients": ("portal",),
    }
    return Configuration(**{**good, **changed})


def make_agent(name: str = "concierge", issuer: Issuer | None = None, **about: Any) -> Agent:
    """Return a registered agent; what is not about it is about its configuration."""
    own = {"display_name", "description", "enabled", "everyone", "groups", "people"}
    chosen = {k: v for k, v in about.items() if k in own}
    asked = configured(issuer, **{k: v for k, v in about.items() if k not in own})
    return services.agent_register(
        **{"name": name, "display_name": name.title(), "asked": asked, "actor": ADMIN, **chosen}
    )


@pytest.fixture
def concierge(db: None, staff: Group) -> Agent:
    """An agent for the staff."""
    return make_agent(groups=[staff])


def recorded() -> list[tuple[str, str, str]]:
    """Return what is on record: action, outcome and reason, oldest first."""
    events = AuditEvent.objects.order_by("pk")
    return [(event.action, event.outcome, event.reason) for event in events]
