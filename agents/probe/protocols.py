"""What an agent of each protocol answers to whoever wants to know how it is."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.aws.places import is_arn
from agents.models import AgentVersion
from agents.probe.asking import Finding, ask, member, parsed, unwell
from core import http

_HEALTHY = ("Healthy", "HealthyBusy")
_IF_AWAY = gettext_lazy("Start the agent, and check the host and the port of its URL.")
_MCP_SESSION = "Mcp-Session-Id"
_MCP_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}
_MCP_INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "daiko", "version": "1"},
        },
    }
).encode()


def answering(version: AgentVersion) -> list[Finding]:
    """Return what an agent of the version's protocol answers to whoever wants to know of it."""
    if is_arn(version.url):
        return []  # AWS knows how it is
    if version.protocol == AgentVersion.Protocol.MCP:
        return [_mcp(version.upstream_url)]
    if version.protocol == AgentVersion.Protocol.A2A:
        card = _card(version.base_url)
        # Only the AgentCore contract has a ping for A2A.
        return [card, *_ping(version, needed=False)] if card.ok else [card]
    return _ping(version)


def _ping(version: AgentVersion, *, needed: bool = True) -> list[Finding]:
    url = version.base_url + "/ping"
    answer = ask(url, if_away=_IF_AWAY)
    if isinstance(answer, Finding):
        return [answer]
    if answer.status != http.OK and not needed:
        return []
    if answer.status != http.OK:
        fix = _(
            "Check the path of the agent's URL: an AgentCore agent answers /ping and "
            "/invocations directly below it."
        )
        return [unwell(url, answer, fix)]
    status = member(parsed(answer.body), "status")
    if status not in _HEALTHY:
        what = _("%(url)s answers, and does not say that it is healthy.") % {"url": url}
        fix = _('A healthy agent answers {"status": "Healthy"} there; look into the agent\'s log.')
        return [Finding(False, what, fix)]
    said = _("The agent answers and is healthy.")
    if status == "HealthyBusy":
        said = _("The agent answers and is healthy; it is busy.")
    return [Finding(True, said)]


def _card(base_url: str) -> Finding:
    """Return what the agent card says (A2A section 8)."""
    url = base_url + "/.well-known/agent-card.json"
    answer = ask(url, if_away=_IF_AWAY)
    if isinstance(answer, Finding):
        return answer
    fix = _("Check the URL of the agent: an A2A agent shows its card below it.")
    if answer.status != http.OK:
        return unwell(url, answer, fix)
    name = member(parsed(answer.body), "name")
    if not isinstance(name, str):
        return Finding(False, _("What %(url)s answers is no agent card.") % {"url": url}, fix)
    return Finding(True, _("The agent shows its card: %(name)s.") % {"name": name[:200]})


def _mcp(url: str) -> Finding:
    """Return what the server answers to a client's first request; a session is ended again."""
    answer = ask(
        url, if_away=_IF_AWAY, method="POST", headers=_MCP_HEADERS, content=_MCP_INITIALIZE
    )
    if isinstance(answer, Finding):
        return answer
    fix = _("Check the URL and the path: an MCP server takes POST (streamable HTTP) there.")
    if answer.status != http.OK:
        return unwell(url, answer, fix)
    if session := _header(answer, _MCP_SESSION):
        ask(url, if_away="", method="DELETE", headers={_MCP_SESSION: session})
    server = member(member(_first_message(answer), "result"), "serverInfo")
    name = member(server, "name")
    if not isinstance(name, str):
        what = _("%(url)s answers, and not as an MCP server.") % {"url": url}
        return Finding(False, what, fix)
    return Finding(True, _("The MCP server answers: %(name)s.") % {"name": name[:200]})


def _first_message(answer: http.Response) -> Any:
    """Return the JSON-RPC message of an answer in JSON, or of its first event with data."""
    body = answer.body
    if _header(answer, "Content-Type").startswith("text/event-stream"):
        lines = [line[5:] for line in body.splitlines() if line.startswith(b"data:")]
        body = next((line for line in lines if line.strip()), b"")
    return parsed(body)


def _header(answer: http.Response, name: str) -> str:
    found = {given.lower(): value for given, value in answer.headers.items()}
    return found.get(name.lower(), "")
