import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.demo_agents.processes import ROOT, AgentProcess, events_of, identity_headers
from tests.demo_agents.stand_ins import StandIn, openai_stream

WAT = "wat-that-nobody-may-read"
TOKEN = "token-that-nobody-may-read"
CALLBACK = "https://daiko.example/connections/"
SESSION_URI = "urn:ietf:params:oauth:request_uri:c0nsent-session"
CONSENT_NEEDED = {
    "authorizationUrl": "https://daiko.example/identities/oauth2/authorize"
    "?request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ac0nsent-session",
    "sessionUri": SESSION_URI,
    "sessionStatus": "IN_PROGRESS",
}
WAITING = {"sessionUri": SESSION_URI, "sessionStatus": "IN_PROGRESS"}
EVENTS = {
    "events": [
        {
            "start": "2026-11-22T15:00:00+00:00",
            "end": "2026-11-22T15:45:00+00:00",
            "title": "Review | planning",
            "place": "Room Cedar",
        },
        {
            "start": "2026-11-22T08:15:00+00:00",
            "end": "2026-11-22T09:00:00+00:00",
            "title": "Dentist",
            "place": "Mill Lane",
        },
    ]
}
BOB = identity_headers("sub-bob", name="Bob") | {
    "WorkloadAccessToken": WAT,
    "X-Amz-Bedrock-AgentCore-Identity-WAT": WAT,
    "OAuth2CallbackUrl": CALLBACK,
}
TODAY = "What is on my calendar today?"
AWAY = (
    "The service that keeps your permissions does not answer, so I could not read your calendar. "
    "Please try again in a moment."
)


def environment(identity_url: str, acme_url: str) -> dict[str, str]:
    return {
        "ACME_URL": acme_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "agent-key",
        "AWS_SECRET_ACCESS_KEY": "agent-secret-that-nobody-may-read",
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": identity_url,
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": identity_url,
        "AWS_MAX_ATTEMPTS": "1",
    }


@pytest.fixture(scope="module")
def _concierge(
    start_agent: Callable[..., AgentProcess], _servers: tuple[StandIn, StandIn]
) -> AgentProcess:
    return start_agent("concierge", **environment(*(server.url for server in _servers)))


@pytest.fixture
def concierge(_concierge: AgentProcess, identity: StandIn, acme: StandIn) -> AgentProcess:
    acme.reply(EVENTS)
    return _concierge


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged_or_said(_concierge: AgentProcess) -> Any:
    yield
    for secret in (WAT, TOKEN, "c0nsent-session", "agent-secret"):
        assert secret not in _concierge.log


def test_it_is_healthy(concierge: AgentProcess) -> None:
    assert concierge.ping()["status"] == "Healthy"


def test_it_reads_the_calendar_with_the_persons_own_token(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})

    answer = concierge.ask(TODAY, BOB)

    assert answer.tools_called == ["list_calendar_events"]
    assert answer.tool_states == ["success"]
    assert answer.text.splitlines()[-2:] == [
        "| 08:15–09:00 | Dentist | Mill Lane |",  # noqa: RUF001
        "| 15:00–15:45 | Review \\| planning | Room Cedar |",  # noqa: RUF001
    ]
    assert answer.ended_well
    assert [request.headers["authorization"] for request in acme.requests] == [f"Bearer {TOKEN}"]
    assert acme.requests[0].path == f"/api/calendar/events?day={datetime.now(UTC):%Y-%m-%d}"
    assert identity.requests[0].body == {
        "workloadIdentityToken": WAT,
        "resourceCredentialProviderName": "acme-calendar",
        "scopes": ["calendar.read"],
        "oauth2Flow": "USER_FEDERATION",
        "resourceOauth2ReturnUrl": CALLBACK,
    }


def test_it_waits_for_consent_and_goes_on_in_the_same_turn(
    concierge: AgentProcess, identity: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.reply(WAITING)
    identity.reply({"accessToken": TOKEN})

    answer = concierge.ask(TODAY, BOB)

    assert "Dentist" in answer.text
    assert {"type": "heartbeat"} in answer.events
    first, *polls = identity.requests
    assert [poll.body for poll in polls] == [first.body | {"sessionUri": SESSION_URI}] * 2
    assert "daiko.example" not in str(answer.events)


def test_a_denial_ends_the_answer_with_a_sentence(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.refuse("The person denied access.")

    answer = concierge.ask(TODAY, BOB)

    assert answer.text.endswith(
        "Without it I cannot tell you what is on your calendar. "
        "Ask me again whenever you want to connect Acme Calendar."
    )
    assert answer.tool_states == ["error"]
    assert answer.ended_well
    assert acme.requests == []


def test_whoever_said_no_is_not_asked_twice_in_one_answer(
    concierge: AgentProcess, identity: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.refuse("No.")

    answer = concierge.ask("my calendar today and in 3 days", BOB)

    assert answer.tool_states == ["error", "error"]
    assert answer.text.count("Ask me again whenever you want to connect Acme Calendar.") == 1
    assert "No." not in answer.text
    assert len(identity.requests) == 2


def test_a_refusal_before_any_consent_is_passed_on(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.refuse("This agent is disabled.")

    answer = concierge.ask(TODAY, BOB)

    assert answer.text.endswith("I may not read your calendar. This agent is disabled.")
    assert acme.requests == []


def test_whoever_took_the_access_back_at_acme_is_asked_again_in_the_same_turn(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": "no-longer-good"})
    identity.reply(CONSENT_NEEDED)
    identity.reply({"accessToken": TOKEN})
    acme.replies.clear()
    acme.reply({"error": "invalid_token"}, status=401)
    acme.reply(EVENTS)

    answer = concierge.ask(TODAY, BOB)

    assert "Dentist" in answer.text
    assert answer.tool_states == ["success"]
    first, anew, poll = (request.body for request in identity.requests)
    assert anew == first | {"forceAuthentication": True}
    assert poll == first | {"sessionUri": SESSION_URI}
    assert acme.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_new_permission_that_acme_refuses_too_is_explained(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})
    acme.replies.clear()
    acme.reply({"error": "invalid_token"}, status=401)

    answer = concierge.ask(TODAY, BOB)

    assert len(identity.requests) == len(acme.requests) == 2
    assert "Acme Calendar does not accept the permission that you gave me." in answer.text
    assert answer.tool_states == ["error"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (200, b"<html>"),
        (200, []),
        (200, {"events": [{"title": "no time"}]}),
        (200, b" " * ((1 << 20) + 1)),
    ],
)
def test_a_calendar_that_answers_nonsense_is_said_to_be_out_of_order(
    status: int, body: Any, concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})
    acme.replies.clear()
    acme.reply(body, status=status)

    answer = concierge.ask(TODAY, BOB)

    assert answer.text.endswith(
        "Acme Calendar does not answer as it should. Please try again in a moment."
    )


def test_the_token_does_not_follow_a_redirect(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})
    acme.replies.clear()
    acme.reply({}, status=302, Location="/elsewhere")
    acme.reply(EVENTS)

    answer = concierge.ask(TODAY, BOB)

    assert "Acme Calendar does not answer as it should." in answer.text
    assert len(acme.requests) == 1


def test_without_a_workload_access_token_it_asks_nobody(
    concierge: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    headers = {name: value for name, value in BOB.items() if value != WAT}

    answer = concierge.ask(TODAY, headers)

    assert answer.text.endswith(
        "I was not told on whose behalf I act, so I cannot read a calendar."
    )
    assert identity.requests == acme.requests == []
    assert not Path(ROOT, ".agentcore.json").exists()


def test_it_stops_asking_once_nobody_listens(concierge: AgentProcess, identity: StandIn) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.reply(WAITING)
    response = concierge.post({"prompt": TODAY}, BOB)
    stream = events_of(response)
    while len(identity.requests) < 3:
        next(stream)

    response.close()

    late = 0
    identity.arrived.clear()
    while identity.arrived.wait(timeout=2.5):
        identity.arrived.clear()
        late += 1
        assert late < 2


def test_a_language_model_that_wants_a_year_is_told_the_limit(
    start_agent: Callable[..., AgentProcess], identity: StandIn, acme: StandIn
) -> None:
    arguments = json.dumps({"day": "2026-11-22", "days": 365})
    function = {"name": "list_calendar_events", "arguments": arguments}
    call = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    acme.reply(openai_stream(call, finish="tool_calls"))
    acme.reply(openai_stream({"content": "I see."}, finish="stop"))
    talkative = start_agent(
        "concierge",
        **environment(identity.url, acme.url),
        DEMO_MODEL=f"openai:m@{acme.url}/v1",
    )

    answer = talkative.ask("what is on this year?", BOB)

    assert (answer.tool_states, answer.text) == (["error"], "I see.")
    assert "I read from 1 to 7 days at once." in str(acme.requests[1].body["messages"])
    assert identity.requests == []


def test_an_identity_service_that_is_away_is_said_to_be_away(
    start_agent: Callable[..., AgentProcess], closed_port: int
) -> None:
    nowhere = f"http://127.0.0.1:{closed_port}"
    lonely = start_agent("concierge", **environment(nowhere, nowhere))

    answer = lonely.ask(TODAY, BOB)

    assert answer.text.endswith(AWAY)
    assert answer.tool_states == ["error"]
    assert answer.ended_well
    assert WAT not in lonely.log
    assert nowhere not in str(answer.events)


@pytest.mark.parametrize("missing", ["ACME_URL", "AWS_REGION"])
def test_it_does_not_start_without_what_it_needs(
    missing: str, start_failing: Callable[..., str]
) -> None:
    needed = environment("http://127.0.0.1:1", "http://127.0.0.1:1") | {missing: ""}

    assert start_failing("concierge", **needed) == f"{missing} is not set.\n"
