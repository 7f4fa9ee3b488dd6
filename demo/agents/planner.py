"""The planner: talks with people over AG-UI. What it cannot know itself it asks the scheduler.

Before it keeps a reminder it asks for approval, with an interrupt.

Run it with `python -m demo.agents.planner`; the variables are in docs/agents.md.
"""

import uuid
from collections.abc import AsyncIterator

import httpx
from a2a.client import A2AClientError, ClientConfig, create_client
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import Role, SendMessageRequest, TaskState
from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    RunAgentInput,
    RunFinishedEvent,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from bedrock_agentcore import BedrockAgentCoreContext
from bedrock_agentcore.runtime import build_ag_ui_app

from demo.agents import settings
from demo.agents.calling import PATIENCE_S, on_behalf_of
from demo.agents.reminders import Reminders
from demo.agents.serving import serve

# What a chat of Daiko shows by itself; other clients open the link for the person.
AUTHORIZATION_URL = "authorization_url"

settings.aws_defaults()
scheduler_url = settings.required("SCHEDULER_URL")
reminders = Reminders()


async def run(asked: RunAgentInput) -> AsyncIterator[BaseEvent]:
    """Answer the last message of a conversation, or go on with what the person answered."""
    # Not `thread_id`, which is the client's word: the session is the platform's.
    session_id = BedrockAgentCoreContext.get_session_id() or ""
    question = str(asked.messages[-1].content)
    answer = str(uuid.uuid4())
    begun = False
    yield RunStartedEvent(thread_id=asked.thread_id, run_id=asked.run_id)
    async for said in said_to(question, asked, session_id):
        if isinstance(said, RunFinishedEvent):
            yield said
            return
        if isinstance(said, BaseEvent):
            yield said
            continue
        if not begun:
            yield TextMessageStartEvent(message_id=answer, role="assistant")
            begun = True
        yield TextMessageContentEvent(message_id=answer, delta=said)
    if begun:
        yield TextMessageEndEvent(message_id=answer)
    yield RunFinishedEvent(thread_id=asked.thread_id, run_id=asked.run_id)


async def said_to(
    question: str, asked: RunAgentInput, session_id: str
) -> AsyncIterator[str | BaseEvent]:
    """Yield words and events; one that ends the run asks the person something."""
    message = asked.messages[-1].id
    for said in reminders.resume(session_id, asked.resume or []):
        yield said
    # What nobody answered may be told with the next question, which is to be answered then.
    if asked.resume and reminders.asked_about(session_id, message):
        return
    if listed := reminders.listed(session_id, question):
        yield listed
        return
    if asking := list(reminders.ask(session_id, question, asked)):
        for event in asking:
            yield event
        return
    call = str(uuid.uuid4())
    yield ToolCallStartEvent(tool_call_id=call, tool_call_name="ask_the_scheduler")
    yield ToolCallEndEvent(tool_call_id=call)
    began = False
    async for told in scheduler_says(question):
        if not began and isinstance(told, str):
            yield ToolCallResultEvent(message_id=call, tool_call_id=call, content="It answers.")
            began = True
        yield told


async def scheduler_says(question: str) -> AsyncIterator[str | CustomEvent]:
    """Yield the scheduler's words as they come, and a link that the person has to open first."""
    sign = on_behalf_of(BedrockAgentCoreContext.get_workload_access_token())
    request = SendMessageRequest(message=new_text_message(question, role=Role.ROLE_USER))
    try:
        async with httpx.AsyncClient(auth=sign, timeout=PATIENCE_S) as http:
            scheduler = await create_client(scheduler_url, ClientConfig(httpx_client=http))
            async for event in scheduler.send_message(request):
                if event.HasField("artifact_update"):
                    yield get_artifact_text(event.artifact_update.artifact)
                elif text := get_message_text(event.status_update.status.message):
                    to_open = event.status_update.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
                    yield CustomEvent(name=AUTHORIZATION_URL, value=text) if to_open else text
    except (A2AClientError, httpx.HTTPError):
        yield "The scheduler does not answer as it should. Please try again in a moment."


if __name__ == "__main__":
    serve(build_ag_ui_app(run))
