"""The greeter: knows who is calling, and keeps one action for the group `admins`.

What people attach it hands to its model.

Run it with `python -m demo.agents.greeter`; the variables are in docs/agents.md.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bedrock_agentcore import BedrockAgentCoreApp, RequestContext
from starlette.middleware import Middleware
from strands import Agent, ToolContext, tool
from strands.types.content import ContentBlock

from demo.agents import settings
from demo.agents.caller import Caller, caller_from
from demo.agents.conversations import Conversations
from demo.agents.days import today
from demo.agents.files import files_in
from demo.agents.greeter_script import SCRIPT
from demo.agents.listening import DepartureMiddleware
from demo.agents.scripted import ScriptedModel
from demo.agents.turns import prompt_in, serve, stream_turn

ADMINS = "admins"
SYSTEM_PROMPT = """You greet people and tell them who they are, with your tools. Answer briefly, \
in markdown. When a tool refuses or reports a problem, pass on what it says."""


@dataclass
class Service:
    """What this process did since it started."""

    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    questions: int = 0


settings.aws_defaults()
model = settings.chosen_model(
    lambda: ScriptedModel(SCRIPT, today=today, delay_s=settings.word_delay_s())
)
conversations = Conversations(capacity=500)
service = Service()
app = BedrockAgentCoreApp(middleware=[Middleware(DepartureMiddleware)])


@tool(context=True)
async def who_is_calling(tool_context: ToolContext) -> dict[str, Any]:
    """Tell who is calling: user id, name and groups, as the platform verified them."""
    caller = _caller(tool_context)
    if caller is None:
        return _sorry(
            "I was not told who you are. An administrator can add the three "
            "`X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-…` headers to my header allow-list."
        )
    return _found({"user_id": caller.user_id, "name": caller.name, "groups": sorted(caller.groups)})


@tool(context=True)
async def service_report(tool_context: ToolContext) -> dict[str, Any]:
    """Report how long this agent has been up and how much it was asked. For admins only."""
    caller = _caller(tool_context)
    # Decided here, from what the platform verified: a model can be talked into anything.
    if caller is None or ADMINS not in caller.groups:
        return _sorry(f"The service report is for members of the group “{ADMINS}” only.")
    return _found(
        {
            "up_since": f"{service.since:%Y-%m-%d %H:%M:%S} UTC",
            "up_for_s": int((datetime.now(UTC) - service.since).total_seconds()),
            "questions": service.questions,
            "conversations": len(conversations),
        }
    )


def _caller(tool_context: ToolContext) -> Caller | None:
    caller: Caller | None = tool_context.invocation_state["caller"]
    return caller


def _found(data: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "content": [{"json": data}]}


def _sorry(sentence: str) -> dict[str, Any]:
    return {"status": "error", "content": [{"text": sentence}]}


@app.entrypoint
async def invoke(payload: Any, context: RequestContext) -> AsyncIterator[dict[str, Any]]:
    """Answer one prompt as a stream of events."""
    asked: list[ContentBlock] = [{"text": prompt_in(payload)}, *files_in(payload)]
    caller = caller_from(context.request_headers)
    service.questions += 1
    agent = Agent(
        name="greeter",
        model=model,
        tools=[who_is_calling, service_report],
        system_prompt=SYSTEM_PROMPT,
        messages=conversations.recall(caller, context.session_id),
        callback_handler=None,  # the default one prints the answer
    )
    return stream_turn(agent, asked, caller=caller, context=context, conversations=conversations)


if __name__ == "__main__":
    serve(app)
