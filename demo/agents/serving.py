"""Serving an agent of another protocol than AgentCore's own on this machine."""

import logging

import uvicorn
from starlette.types import ASGIApp

from demo.agents import settings

_GRACE_S = 2


def serve(app: ASGIApp) -> None:
    """Serve `app` to this machine alone until it is told to end; it logs warnings and errors."""
    for chatty in ("bedrock_agentcore", "mcp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.port(),
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
    )
