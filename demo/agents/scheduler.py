"""The scheduler: finds a person's free time, over A2A. It calls the calendar tools, over MCP.

Run it with `python -m demo.agents.scheduler`; the variables are in docs/agents.md.
"""

from collections.abc import Awaitable, Callable
from datetime import date

import httpx2
from a2a.helpers import get_message_text, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from bedrock_agentcore.runtime import build_a2a_app
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from demo.agents import settings
from demo.agents.calling import PATIENCE_S, on_behalf_of
from demo.agents.days import days_in, today
from demo.agents.free_time import told
from demo.agents.serving import serve

settings.aws_defaults()
tools_url = settings.required("CALENDAR_TOOLS_URL")
url = f"http://localhost:{settings.port()}/"

CARD = AgentCard(
    name="Scheduler",
    description="Says when a person has time, by their own calendar.",
    version="1.0.0",
    supported_interfaces=[
        AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
    ],
    capabilities=AgentCapabilities(streaming=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[
        AgentSkill(
            id="free-time",
            name="Free time",
            description="Finds the hours in which nothing is on the person's calendar.",
            tags=["calendar"],
            examples=["When am I free tomorrow?"],
        )
    ],
)


class Scheduler(AgentExecutor):
    """Answers each message with the free time of the days that it names, a day at a time."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Read the days one after the other, and tell each as soon as it is known."""
        if context.message is None:
            raise ValueError("There is no message.")
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()

        async def show(link: str) -> None:
            await updater.requires_auth(updater.new_agent_message([new_text_part(link)]))

        token = context.call_context.state.get("workload_access_token")
        now = today()
        days = days_in(get_message_text(context.message), today=now) or [now]
        try:
            async with (
                httpx2.AsyncClient(auth=on_behalf_of(token), timeout=PATIENCE_S) as http,
                Client(streamable_http_client(tools_url, http_client=http)) as tools,
            ):
                for day in days:
                    sentence = await free_time(tools, day, show)
                    await updater.add_artifact(
                        [new_text_part(sentence)],
                        artifact_id="free-time",
                        append=day != days[0],
                        last_chunk=day == days[-1],
                    )
        except* (MCPError, httpx2.HTTPError) as problems:
            sentence = f"The calendar tools cannot be asked: {first_of(problems)}"
            await updater.failed(updater.new_agent_message([new_text_part(sentence)]))
        else:
            await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """End what is under way, which the SDK has cancelled already."""
        if context.task_id and context.context_id:
            await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def first_of(problems: BaseExceptionGroup) -> BaseException:
    """Return the first of the exceptions that the tasks of a client ended with."""
    problem = problems.exceptions[0]
    return first_of(problem) if isinstance(problem, BaseExceptionGroup) else problem


async def free_time(tools: Client, day: date, show: Callable[[str], Awaitable[None]]) -> str:
    """Return a sentence on the free time of a day; `show` the person a link that they must open."""

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message:
            await show(message)

    answer = await tools.call_tool(
        "list_calendar_events", {"day": day.isoformat()}, progress_callback=on_progress
    )
    if answer.is_error:
        reason = " ".join(block.text for block in answer.content if block.type == "text")
        return reason.partition(": ")[2] or reason  # before it the SDK names the tool
    return told(day, answer.structured_content["result"])


if __name__ == "__main__":
    serve(build_a2a_app(Scheduler(), CARD))
