"""Calendar tools: an MCP server that reads a person's calendar at Acme with their own token.

Run it with `python -m demo.agents.calendar_tools`; the variables are in docs/agents.md.
"""

from datetime import date

from bedrock_agentcore import BedrockAgentCoreContext
from bedrock_agentcore.services.identity import IdentityClient
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.agents import settings
from demo.agents.apologies import FORESEEN, apology_for
from demo.agents.calendar_api import Event, events_on
from demo.agents.consent import ConsentPoller
from demo.agents.serving import serve

PROVIDER = "acme-calendar"
SCOPES = ["calendar.read"]

settings.aws_defaults()
acme_url = settings.required("ACME_URL").rstrip("/")
identity = IdentityClient(settings.required("AWS_REGION"))
consent = ConsentPoller(identity, provider_name=PROVIDER, scopes=SCOPES)
server = MCPServer("calendar-tools", log_level="WARNING")


@server.tool()
async def list_calendar_events(day: date, ctx: Context) -> list[Event]:
    """List what is on the person's calendar on a day."""
    try:
        token = await _access_token(ctx)
        return await events_on(day, api_url=acme_url, access_token=token)
    except FORESEEN as problem:
        raise ToolError(apology_for(problem)) from None


async def _access_token(ctx: Context) -> str:
    """Return a token of the person for whom the platform says this call is.

    Where they have to consent first, a client that shows progress is told where, and this call
    waits. Any other gets the link as its answer, and calls again.
    """
    told = ctx.headers or {}
    workload_token = told.get("workloadaccesstoken")
    if not workload_token:
        raise ToolError("I was not told on whose behalf I act, so I cannot read a calendar.")
    callback_url = told.get("oauth2callbackurl", "")
    # Of this call alone: a session of MCP has many.
    BedrockAgentCoreContext.set_workload_access_token(workload_token)
    BedrockAgentCoreContext.set_oauth2_callback_url(callback_url)

    async def ask_the_person(link: str) -> None:
        if "progress_token" not in (ctx.request_context.meta or {}):
            raise ToolError(f"Open {link} and allow it there. Then call me again.")
        consent.notice(link)
        await ctx.report_progress(0, 1, link)

    return await identity.get_token(
        provider_name=PROVIDER,
        scopes=SCOPES,
        auth_flow="USER_FEDERATION",
        agent_identity_token=workload_token,
        callback_url=callback_url,
        on_auth_url=ask_the_person,
        token_poller=consent,
    )


async def ping(_: Request) -> Response:
    """Say that it is well."""
    return JSONResponse({"status": "Healthy"})


if __name__ == "__main__":
    server.custom_route("/ping", methods=["GET"])(ping)
    serve(server.streamable_http_app())
