"""The concierge: reads a person's calendar at Acme, with that person's own access token.

Run it with `python -m demo.agents.concierge`; the variables are in docs/agents.md.
"""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

from bedrock_agentcore import BedrockAgentCoreApp, BedrockAgentCoreContext, RequestContext
from bedrock_agentcore.identity import requires_access_token
from bedrock_agentcore.services.identity import IdentityClient
from starlette.middleware import Middleware
from strands import Agent, ToolContext, tool
from strands.tools.executors import SequentialToolExecutor

from demo.agents import settings
from demo.agents.apologies import FORESEEN, apology_for
from demo.agents.calendar_api import CalendarRefused, events_on
from demo.agents.caller import caller_from
from demo.agents.concierge_script import SCRIPT
from demo.agents.consent import ConsentPoller
from demo.agents.conversations import Conversations
from demo.agents.days import MAX_DAYS, today
from demo.agents.listening import DepartureMiddleware
from demo.agents.scripted import ScriptedModel
from demo.agents.turns import prompt_in, serve, stream_turn

PROVIDER = "acme-calendar"
SCOPES = ["calendar.read"]
SYSTEM_PROMPT = """You are a concierge who reads the person's calendar with your tool. Today is \
{today}. Answer briefly, in markdown. When the tool reports a problem, pass on what it says."""


settings.aws_defaults()
acme_url = settings.required("ACME_URL").rstrip("/")
model = settings.chosen_model(
    lambda: ScriptedModel(SCRIPT, today=today, delay_s=settings.word_delay_s())
)
consent = ConsentPoller(
    IdentityClient(settings.required("AWS_REGION")), provider_name=PROVIDER, scopes=SCOPES
)
conversations = Conversations(capacity=500)
app = BedrockAgentCoreApp(middleware=[Middleware(DepartureMiddleware)])


async def _read(days: list[date], *, access_token: str) -> list[dict[str, Any]]:
    return [
        {
            "day": day.isoformat(),
            "events": await events_on(day, api_url=acme_url, access_token=access_token),
        }
        for day in days
    ]


def _with_token(*, anew: bool) -> Any:
    """Return `_read` with a token that the SDK gets from the vault; `anew`: the person is asked."""
    return requires_access_token(
        provider_name=PROVIDER,
        scopes=SCOPES,
        auth_flow="USER_FEDERATION",
        on_auth_url=consent.notice,
        token_poller=consent,
        force_authentication=anew,
    )(_read)


_read_as_granted, _read_as_granted_anew = _with_token(anew=False), _with_token(anew=True)


async def read_calendar(days: list[date]) -> list[dict[str, Any]]:
    """Return the events of each of `days`.

    Who took the access back at Acme itself, of which the vault cannot know, is asked again, once.
    """
    try:
        found: list[dict[str, Any]] = await _read_as_granted(days)
    except CalendarRefused:
        found = await _read_as_granted_anew(days)
    return found


@tool(context=True)
async def list_calendar_events(
    day: date, tool_context: ToolContext, days: int = 1
) -> dict[str, Any]:
    """List what is on the person's calendar on one day, or on several days in a row.

    Args:
        day: The day, or the first of them, as YYYY-MM-DD.
        days: How many days, from 1 to 7.
    """
    turn = tool_context.invocation_state
    if "apology" in turn:
        # Somebody who has just said no is not asked again within the same answer.
        return _sorry(turn["apology"])
    if not 1 <= days <= MAX_DAYS:
        return _sorry(f"I read from 1 to {MAX_DAYS} days at once.")
    if not BedrockAgentCoreContext.get_workload_access_token():
        return _sorry("I was not told on whose behalf I act, so I cannot read a calendar.")
    try:
        found = await read_calendar([day + timedelta(days=offset) for offset in range(days)])
    except FORESEEN as problem:
        turn["apology"] = apology_for(problem)
        return _sorry(turn["apology"])
    return {"status": "success", "content": [{"json": {"days": found}}]}


def _sorry(sentence: str) -> dict[str, Any]:
    return {"status": "error", "content": [{"text": sentence}]}


@app.entrypoint
async def invoke(payload: Any, context: RequestContext) -> AsyncIterator[dict[str, Any]]:
    """Answer one prompt as a stream of events."""
    prompt = prompt_in(payload)
    caller = caller_from(context.request_headers)
    agent = Agent(
        name="concierge",
        model=model,
        tools=[list_calendar_events],
        system_prompt=SYSTEM_PROMPT.format(today=f"{today():%A %Y-%m-%d}"),
        messages=conversations.recall(caller, context.session_id),
        # One after the other: calls side by side would each ask for consent.
        tool_executor=SequentialToolExecutor(),
        callback_handler=None,  # the default one prints the answer
    )
    return stream_turn(agent, prompt, caller=caller, context=context, conversations=conversations)


if __name__ == "__main__":
    serve(app)
