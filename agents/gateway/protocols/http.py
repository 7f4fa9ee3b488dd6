"""HTTP: the runtime contract of AgentCore. The body is the agent's own affair."""

from __future__ import annotations

from agents.gateway.protocols.protocol import Protocol

PROTOCOL = Protocol(path="/invocations", web_socket="/ws")
