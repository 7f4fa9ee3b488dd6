"""An MCP server made with the official SDK. It tells who is calling, and counts as it goes."""

from __future__ import annotations

import os

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

server = MCPServer("counter")


@server.tool()
async def count(up_to: int, ctx: Context) -> int:
    """Count, and report each number."""
    for number in range(1, up_to + 1):
        await ctx.report_progress(number, up_to, f"{number}")
    return up_to


@server.tool()
async def who(ctx: Context) -> dict[str, str]:
    """Tell what the platform says of the call."""
    headers = ctx.headers or {}
    return {
        "token": headers.get("workloadaccesstoken", ""),
        "user": headers.get("x-amzn-bedrock-agentcore-runtime-user-id", ""),
        "session": headers.get("x-amzn-bedrock-agentcore-runtime-session-id", ""),
        "authorization": headers.get("authorization", ""),
    }


async def ping(request: Request) -> Response:
    """Say that it is well."""
    return JSONResponse({"status": "Healthy"})


if __name__ == "__main__":
    server.custom_route("/ping", methods=["GET"])(ping)
    port = int(os.environ["PORT"])
    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="warning")
