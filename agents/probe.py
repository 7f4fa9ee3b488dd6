"""The test of an agent: what an admin would otherwise hear of from the first person it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from agents.models import Agent, AgentVersion
from core import http, jose

_TIMEOUT_S = 5.0
_HEALTHY = ("Healthy", "HealthyBusy")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it is not well."""

    ok: bool
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".strip()


def agent_probe(agent: Agent) -> list[Finding]:
    """Return what was found: the agent pinged, its issuer asked, and whether anybody may use it.

    Asks both servers now and uses no cache. Changes nothing.
    """
    version = agent.versions.order_by("-number").first()
    if version is None:
        return [Finding(False, _("The agent has no version."), _("Save it with a URL."))]
    findings = [_ping(version.url)]
    if version.auth_mode == AgentVersion.AuthMode.JWT:
        findings += _issuer(version.discovery_url)
        findings += _audience(agent)
    if not agent.enabled:
        findings.append(Finding(False, _("The agent is switched off."), _("Switch it on.")))
    if not agent.workload_identity.enabled:
        what = _("The agent's workload identity is switched off.")
        findings.append(Finding(False, what, _("Switch it on.")))
    return findings


def _ping(base_url: str) -> Finding:
    url = base_url.rstrip("/") + "/ping"
    try:
        answer = http.fetch_sync("GET", url, timeout_s=_TIMEOUT_S)
    except http.HttpRefused as exc:
        return Finding(False, _("The agent was not asked."), str(exc.message))
    except http.HttpUnreachable:
        what = _("Nothing answers at %(url)s.") % {"url": url}
        return Finding(False, what, _("Start the agent, and look at host and port of its URL."))
    except http.HttpError:
        what = _("%(url)s does not answer in time, or not as HTTP has it.") % {"url": url}
        return Finding(False, what, _("Look into the agent's log."))
    if answer.status != http.OK:
        what = _("%(url)s answers with status %(status)d.") % {"url": url, "status": answer.status}
        return Finding(
            False, what, _("Is it an AgentCore agent? One answers GET /ping next to /invocations.")
        )
    status = _status_in(answer)
    if status not in _HEALTHY:
        what = _("%(url)s answers, and does not say that it is healthy.") % {"url": url}
        return Finding(False, what, _('Expected is {"status": "Healthy"}.'))
    return Finding(True, _("The agent answers: %(status)s.") % {"status": status})


def _status_in(answer: http.Response) -> Any:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body.get("status") if isinstance(body, dict) else None


def _issuer(discovery_url: str) -> list[Finding]:
    try:
        documents = jose.Issuer(discovery_url).documents_sync()
    except jose.IssuerUnavailable as exc:
        what = _("The issuer's documents cannot be had: %(reason)s.") % {"reason": exc.detail}
        return [
            Finding(
                False,
                what,
                _("Open the discovery URL; it has to name its own issuer, and a key set."),
            )
        ]
    found = [
        Finding(True, _("The issuer is %(issuer)s.") % {"issuer": documents.issuer}),
    ]
    if documents.keys:
        what = _("It publishes %(number)d keys that can be used.") % {"number": len(documents.keys)}
        found.append(Finding(True, what))
    else:
        what = _("It publishes no key that can be used.")
        fix = _("Tokens have to be signed with RSA of 2048 bits or more, or with EC or Ed25519.")
        found.append(Finding(False, what, fix))
    return found


def _audience(agent: Agent) -> list[Finding]:
    open_to = agent.allow_everyone or agent.allowed_groups.exists() or agent.allowed_users.exists()
    if open_to:
        return []
    fix = _("Open it to everyone, to a group or to a person.")
    return [Finding(False, _("Nobody may use this agent yet."), fix)]
