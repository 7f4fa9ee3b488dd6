"""Alice asks, bob asks too, charlie must get nothing; an agent, and where they consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve

from agents import issuers, snapshot, workload
from agents.keys import verification
from agents.keys.callers import Caller
from agents.models import Agent, WorkloadIdentity
from core import crypto, jose
from core.audit import Actor
from core.models import AuditEvent, User
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.aws import aws, aws_server  # noqa: F401 - fixtures
from tests.fixtures.loops import run  # noqa: F401 - a fixture
from tests.fixtures.provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.vault.workers import start  # noqa: F401 - a fixture
from vault.asked.wanted import ResourceToken, Wanted
from vault.flows import consent, return_urls, sessions
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.providers import discovery
from vault.providers.services import provider_store
from vault.token_read import Waiting, token_read

ISSUER = "https://idp.example"
FOREIGN = "https://app.example/done"
SESSION = "runtime-session-" + "x" * 24
ADMIN = Actor("an admin")
BACKEND = "django.contrib.auth.backends.ModelBackend"


def forget_all() -> None:
    """Drop what the process keeps: tests that commit empty the tables, data keys among them."""
    kept: list[Callable[[], None]] = [
        *(discovery.forget, crypto.forget_opened_keys, verification.forget, issuers.forget),
        *(jose.forget_issuers, snapshot.forget),
    ]
    for forget in kept:
        forget()


@pytest.fixture(autouse=True)
def _own_world(settings: Any) -> Iterator[None]:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    forget_all()
    yield
    jose.forget_issuers()


@pytest.fixture
def there() -> Iterator[Provider]:
    """The provider's side."""
    with providing() as provider:
        yield provider


def _person(name: str) -> User:
    return User.objects.create(username=name, iss=ISSUER, sub=name, name=name.title())


@pytest.fixture
def alice(db: None) -> User:
    return _person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return _person("bob")


@pytest.fixture
def charlie(db: None) -> User:
    return _person("charlie")


@pytest.fixture
def concierge(db: None) -> WorkloadIdentity:
    return new_concierge()


def new_concierge() -> WorkloadIdentity:
    """Return the workload identity of an agent that everybody may use."""
    identity = WorkloadIdentity.objects.create(
        name="concierge-0123456789", allowed_return_urls=[FOREIGN]
    )
    Agent.objects.create(
        agent_id=identity.name,
        name="concierge",
        display_name="Concierge",
        workload_identity=identity,
        allow_everyone=True,
    )
    return identity


@pytest.fixture
def greeter(db: None) -> WorkloadIdentity:
    """Another workload identity, to which nothing was opened."""
    return WorkloadIdentity.objects.create(name="greeter-0123456789")


@pytest.fixture
def acme(there: Provider, concierge: WorkloadIdentity) -> CredentialProvider:
    provider = provider_store(
        provider=CredentialProvider(
            name="acme",
            display_name="Acme Calendar",
            client_id=CLIENT_ID,
            discovery_url=there.discovery_url,
            scope_words={"calendar.read": {"en": "See your calendar", "ja": "予定を見る"}},
        ),
        client_secret=Secret(CLIENT_SECRET),
        workloads=[concierge],
        actor=ADMIN,
    )
    there.redirect_uris.add(provider.callback_url)
    discovery.forget()  # a test may have it say something else first
    return provider


def token_of(
    identity: WorkloadIdentity, person: User | Subject | None, session_id: str = SESSION
) -> Secret:
    """Return a workload access token."""
    subject = person.subject if isinstance(person, User) else person
    return workload.issue(
        workload_id=identity.pk,
        workload_name=identity.name,
        subject=subject,
        session_id=session_id,
    )


def wanted(**changed: Any) -> Wanted:
    """Return what an agent asks for by default: to come back to this site's own page."""
    asked: dict[str, Any] = {
        "scopes": ("calendar.read",),
        "return_url": return_urls.own(),
        "custom_state": None,
        "custom_parameters": {},
        "resources": (),
        "forced": False,
    }
    return Wanted(**(asked | changed))


def events(action: str) -> list[AuditEvent]:
    """Return what is on record of `action`, in order."""
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


@dataclass
class Browser:
    """A person's browser: it keeps the consent cookie, and may be signed in."""

    user: User | None = None

    def __post_init__(self) -> None:
        self.cookies: SimpleCookie = SimpleCookie()

    def get(self, url: str) -> HttpResponse:
        """Return this site's answer to `url`."""
        parts = urlsplit(url)
        request = RequestFactory().get(parts.path, query_params=None)
        request.META["QUERY_STRING"] = parts.query
        request.COOKIES = {name: morsel.value for name, morsel in self.cookies.items()}
        request.user = self.user or AnonymousUser()
        view, args, kwargs = resolve(parts.path)
        response: HttpResponse = view(request, *args, **kwargs)
        self.cookies.update(response.cookies)
        return response

    def mark(self) -> Secret:
        """Return what this site marked the browser with."""
        request = RequestFactory().get("/")
        request.COOKIES = {name: morsel.value for name, morsel in self.cookies.items()}
        value = request.get_signed_cookie("daiko_consent", salt="vault.consent.browser")
        return Secret(value or "")


@dataclass
class World:
    """The whole journey in one place, with alice's own hands."""

    identity: WorkloadIdentity
    provider: CredentialProvider
    there: Provider

    def read(
        self, person: User | Subject | None, *scopes: str, **changed: Any
    ) -> ResourceToken | Waiting:
        """Ask the vault for a token, as the agent does."""
        session_id = changed.pop("runtime_session_id", SESSION)
        asked: dict[str, Any] = {
            "caller": Caller("AKIATEST", self.identity.name),
            "unverified_token": token_of(self.identity, person, session_id),
            "flow": "USER_FEDERATION",
            "provider_name": self.provider.name,
            "session_uri": None,
        }
        asked |= {name: changed.pop(name) for name in list(changed) if name in asked}
        changed["scopes"] = changed.get("scopes", scopes or ("calendar.read",))
        return token_read(wanted=wanted(**changed), **asked)

    def wait(self, person: User | Subject, *scopes: str, **changed: Any) -> Waiting:
        """Ask for a token where consent is needed first."""
        answer = self.read(person, *scopes, **changed)
        assert isinstance(answer, Waiting)
        return answer

    def token(self, person: User | Subject | None, *scopes: str, **changed: Any) -> str:
        """Ask for a token where there is a grant."""
        answer = self.read(person, *scopes, **changed)
        assert isinstance(answer, ResourceToken)
        return answer.access.reveal()

    def session(self, waiting: Waiting) -> ConsentSession:
        """Return the consent session that an answer names."""
        return sessions.by_uri(waiting.session_uri)

    def to_provider(self, waiting: Waiting, browser: Browser) -> str:
        """Open the link in `browser` and return the provider's URL."""
        response = browser.get(waiting.authorization_url.reveal())
        assert response.status_code == 302, response.content.decode()
        return response["Location"]

    def consent(self, waiting: Waiting, browser: Browser, *, account: str = "", **kw: Any) -> str:
        """Open the link, press Allow, come back; return where the browser is sent then."""
        name = account or (browser.user.sub if browser.user else "somebody")
        callback = self.there.allow(self.to_provider(waiting, browser), account=name, **kw)
        response = browser.get(callback)
        assert response.status_code == 302, response.content.decode()
        return response["Location"]

    def grant(self, person: User, *scopes: str, **changed: Any) -> Grant:
        """Go the whole way and return the grant."""
        waiting = self.wait(person, *scopes, **changed)
        self.consent(waiting, Browser(person))
        consent.complete_here(session_uri=waiting.session_uri, subject=person.subject)
        return Grant.objects.get(
            user_sub=person.sub, workload_identity=self.identity, state=Grant.State.LIVE
        )


@pytest.fixture
def world(concierge: WorkloadIdentity, acme: CredentialProvider, there: Provider) -> World:
    return World(concierge, acme, there)


Expire = Callable[[Grant], None]


@pytest.fixture
def expire() -> Expire:
    """Make a grant's access token one that has run out."""

    def run_out(grant: Grant) -> None:
        Grant.objects.filter(pk=grant.pk).update(
            access_expires_at="2020-01-01T00:00:00Z", next_refresh_at="2020-01-01T00:00:00Z"
        )

    return run_out


def administering(person: User, settings: Any) -> Client:
    """Return the browser of `person` as an admin. How they signed in is the portal's question."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("portal.")]
    settings.AUTHENTICATION_BACKENDS = [BACKEND]
    person.is_staff = person.is_superuser = True
    person.save(update_fields=["is_staff", "is_superuser"])
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


@pytest.fixture
def admin(settings: Any, bob: User) -> Client:
    """Bob's browser."""
    return administering(bob, settings)
