"""The protocols that agents speak: one module each, and what the gateway asks of any of them."""

from __future__ import annotations

from agents.gateway.protocols import a2a, agui, http, mcp
from agents.gateway.protocols.protocol import Protocol
from agents.models import AgentVersion
from agents.snapshot import Deployed

_BY_NAME: dict[str, Protocol] = {
    AgentVersion.Protocol.HTTP: http.PROTOCOL,
    AgentVersion.Protocol.MCP: mcp.PROTOCOL,
    AgentVersion.Protocol.A2A: a2a.PROTOCOL,
    AgentVersion.Protocol.AGUI: agui.PROTOCOL,
}


def spoken_by(deployed: Deployed) -> Protocol:
    """Return the protocol that the agent's version says it speaks."""
    return _BY_NAME[deployed.protocol]
