from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents import issuers, services
from agents.authorizer import TokenRefused, VerifiedCaller
from agents.models import AgentEndpoint
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.fixtures.issuer import Issuer, issuing, signing_key
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")
Verify = Callable[[str], VerifiedCaller]


@pytest.fixture(params=["loop", "thread"])
def verify(request: pytest.FixtureRequest, run: Run[Any]) -> Verify:
    """Both ways to ask: on an event loop, and from a thread that has none."""
    if request.param == "loop":
        return lambda token: run(issuers.verify(token))
    return issuers.verify_sync


def refusal(verify: Verify, token: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        verify(token)
    return caught.value.code


def test_an_issuer_that_nobody_named_is_not_trusted_and_not_asked(
    verify: Verify, issuer: Issuer
) -> None:
    with pytest.raises(TokenRefused) as caught:
        verify(issuer.token())

    assert caught.value.code == "issuer_not_trusted"
    assert f"It is {issuer.url}; " in str(caught.value.message)
    assert "DAIKO_TRUSTED_ISSUERS" in str(caught.value.message)
    assert issuer.asked == []


def test_an_issuer_that_an_admin_listed_is_trusted(
    verify: Verify, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url + "/"]

    caller = verify(issuer.token(sub="bob", aud="anybody", client_id="any"))

    assert caller.subject == Subject(issuer.url, "bob")


def test_an_issuer_of_an_authorizer_in_force_is_trusted(verify: Verify, issuer: Issuer) -> None:
    make_agent("a", issuer)

    assert verify(issuer.token()).subject.sub == "alice"


@pytest.mark.parametrize("over", ["disabled", "moved on", "signed calls"])
def test_an_issuer_of_an_authorizer_that_is_over_is_not(
    verify: Verify, issuer: Issuer, over: str
) -> None:
    agent = make_agent("a", issuer)
    if over == "disabled":
        services.agent_switch(agent=agent, enabled=False, actor=ADMIN)
    elif over == "moved on":
        services.agent_configure(agent=agent, asked=configured(), actor=ADMIN)
    else:
        services.agent_configure(
            agent=agent,
            asked=configured(auth_mode="SIGV4", discovery_url="", allowed_clients=()),
            actor=ADMIN,
            may_drop_authorizer=True,
        )

    assert refusal(verify, issuer.token()) == "issuer_not_trusted"


def test_an_older_version_that_an_endpoint_serves_is_in_force(
    verify: Verify, issuer: Issuer
) -> None:
    agent = make_agent("a", issuer)
    AgentEndpoint.objects.create(agent=agent, name="v1", version=agent.versions.get())
    services.agent_configure(agent=agent, asked=configured(), actor=ADMIN)

    assert verify(issuer.token()).subject.sub == "alice"


def test_whoever_runs_one_issuer_cannot_speak_for_another(
    verify: Verify, issuer: Issuer, settings: Any
) -> None:
    with issuing() as evil:
        settings.DAIKO_TRUSTED_ISSUERS = [issuer.url, evil.url]
        forged = evil.token(iss=issuer.url, key=signing_key("evil"))
        evil.metadata["issuer"] = issuer.url

        assert refusal(verify, forged) == "unknown_key"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": 1}, "expired"),
        ({"sub": None}, "no_subject"),
        ({"iss": None}, "issuer_not_trusted"),
        ({"iss": ["a"]}, "issuer_not_trusted"),
        ({"iss": "https://idp.example/\x00"}, "issuer_not_trusted"),
        ({"iss": "https://" + "a" * 600}, "issuer_not_trusted"),
        ({"iss": "not a url"}, "issuer_not_trusted"),
        ({"iss": "https://[::1"}, "issuer_not_trusted"),
    ],
)
def test_a_bad_token_of_a_trusted_issuer_is_refused(
    verify: Verify, issuer: Issuer, settings: Any, changed: dict[str, Any], code: str
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]

    assert refusal(verify, issuer.token(**changed)) == code


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_what_is_no_token_is_refused(verify: Verify, token: str) -> None:
    assert refusal(verify, token) == "malformed"


def test_a_token_signed_by_somebody_else_is_refused(
    verify: Verify, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]

    assert refusal(verify, issuer.token(key=signing_key("else"))) == "unknown_key"
