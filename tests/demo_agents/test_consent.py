import asyncio
from collections.abc import Iterator

import pytest
from bedrock_agentcore import BedrockAgentCoreContext
from bedrock_agentcore.services.identity import IdentityClient
from botocore.exceptions import NoCredentialsError

from demo.agents.apologies import FORESEEN, apology_for
from demo.agents.consent import ConsentPoller, ConsentRefused
from tests.demo_agents.stand_ins import StandIn

AUTHORIZE = "https://daiko.example/identities/oauth2/authorize"


@pytest.fixture
def client(identity: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityClient]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", identity.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = IdentityClient("us-east-1")
    yield client
    client.dp_client.close()


async def waited_for(client: IdentityClient, url: str, *, timeout_s: float = 5) -> str:
    BedrockAgentCoreContext.set_workload_access_token("wat")
    poller = ConsentPoller(
        client, provider_name="acme", scopes=["read"], interval_s=0.01, timeout_s=timeout_s
    )
    poller.notice(url)
    return await poller.poll_for_token()


def test_two_people_who_wait_at_once_each_get_their_own_token(
    client: IdentityClient, identity: StandIn
) -> None:
    async def both() -> list[str]:
        urls = [f"{AUTHORIZE}?request_uri=urn%3A{name}" for name in ("one", "two")]
        return await asyncio.gather(*[waited_for(client, url) for url in urls])

    identity.answer = lambda body: {"accessToken": f"token-for-{body['sessionUri']}"}

    assert asyncio.run(both()) == ["token-for-urn:one", "token-for-urn:two"]


def test_a_url_without_a_session_is_polled_without_one(
    client: IdentityClient, identity: StandIn
) -> None:
    identity.reply({"accessToken": "token"})

    assert asyncio.run(waited_for(client, AUTHORIZE)) == "token"
    assert "sessionUri" not in identity.requests[0].body


def test_a_service_that_is_away_for_a_moment_does_not_end_the_wait(
    client: IdentityClient, identity: StandIn
) -> None:
    identity.refuse("Too many requests.", status=429)
    identity.refuse("Something went wrong.", status=500)
    identity.reply({"accessToken": "token"})

    assert asyncio.run(waited_for(client, AUTHORIZE)) == "token"


def test_a_refusal_ends_the_wait_with_what_the_service_says(
    client: IdentityClient, identity: StandIn
) -> None:
    identity.refuse("The session has expired.", status=400)

    with pytest.raises(ConsentRefused, match=r"^The session has expired\.$"):
        asyncio.run(waited_for(client, AUTHORIZE))
    assert len(identity.requests) == 1


def test_a_journey_that_has_failed_ends_the_wait(client: IdentityClient, identity: StandIn) -> None:
    identity.reply({"sessionStatus": "FAILED"})

    with pytest.raises(ConsentRefused):
        asyncio.run(waited_for(client, AUTHORIZE))
    assert len(identity.requests) == 1


def test_it_gives_up_in_the_end(client: IdentityClient, identity: StandIn) -> None:
    identity.reply({"sessionStatus": "IN_PROGRESS"})

    with pytest.raises(TimeoutError):
        asyncio.run(waited_for(client, AUTHORIZE, timeout_s=0.2))


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (TimeoutError(), "I waited for your permission to read Acme Calendar"),
        (NoCredentialsError(), "The service that keeps your permissions does not answer"),
    ],
)
def test_each_problem_that_is_foreseen_has_its_sentence(problem: Exception, sentence: str) -> None:
    assert isinstance(problem, FORESEEN)
    assert apology_for(problem).startswith(sentence)
