"""Agents in the wire API (AgentCore Runtime, control plane). Operators alone keep them."""

from __future__ import annotations

from agents.keys.callers import Caller
from agents.wire.runtimes import agents, endpoints
from core.wire.app import Operation

OPERATIONS: list[Operation[Caller]] = [*agents.OPERATIONS, *endpoints.OPERATIONS]
