"""The test of an agent: what an admin would otherwise hear of from the first person it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agents.models import Agent, AgentVersion
from agents.probe.asking import Finding, ask, parsed, unwell
from agents.probe.protocols import answering
from core import http, identity_providers, jose
from core.identity_providers import IdentityProvider

__all__ = ["Finding", "Tried", "agent_probe", "callers_probe", "runs_probe"]

# Of what an issuer says that it has.
_MOST_SCOPES = 50
_MOST_CHARS = 128


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found out about a part of a version; `scopes` are those that its issuer offers."""

    findings: list[Finding]
    scopes: tuple[str, ...] = ()


def agent_probe(agent: Agent) -> list[Finding]:
    """Return what was found: how the agent and its issuer are, and whether people can chat with it.

    Asks both servers now and uses no cache. Changes nothing.
    """
    version = agent.versions.order_by("-number").first()
    if version is None:
        return [Finding(False, _("The agent has no version."), _("Save it with a URL."))]
    findings = [*answering(version), *callers_probe(version).findings]
    if version.auth_mode == AgentVersion.AuthMode.JWT:
        findings += _audience(agent)
    if not agent.enabled:
        findings.append(Finding(False, _("The agent is switched off."), _("Switch it on.")))
    if not agent.workload_identity.enabled:
        what = _("The agent's workload identity is switched off.")
        findings.append(Finding(False, what, _("Switch it on.")))
    return findings


def runs_probe(version: AgentVersion) -> Tried:
    """Return what was found where a version, which need not be stored, says that it runs."""
    findings = answering(version)
    if not findings:
        what = _("AWS says how this agent is once it is registered.")
        findings = [Finding(True, what, _("Test it on its page then."))]
    return Tried(findings)


def callers_probe(version: AgentVersion) -> Tried:
    """Return what was found of who may call by a version, which need not be stored."""
    if version.auth_mode != AgentVersion.AuthMode.JWT:
        return Tried(_chat(version))
    try:
        documents = jose.Issuer(version.discovery_url).documents_sync()
    except jose.IssuerUnavailable:
        return Tried([_issuer_problem(version.discovery_url), *_chat(version)])
    said = documents.metadata.get("scopes_supported")
    scopes = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    offered = tuple(each[:_MOST_CHARS] for each in scopes[:_MOST_SCOPES] if each.isprintable())
    return Tried([*_issuer(documents), *_chat(version)], offered)


def _issuer(documents: jose.Documents) -> list[Finding]:
    found = [
        Finding(True, _("The issuer is %(issuer)s.") % {"issuer": documents.issuer}),
    ]
    if documents.keys:
        what = ngettext(
            "It publishes %(number)d key to check tokens with.",
            "It publishes %(number)d keys to check tokens with.",
            len(documents.keys),
        )
        found.append(Finding(True, what % {"number": len(documents.keys)}))
    else:
        what = _("It publishes no key to check tokens with.")
        fix = _("Tokens have to be signed with RSA of 2048 bits or more, or with EC or Ed25519.")
        found.append(Finding(False, what, fix))
    return found


def _issuer_problem(discovery_url: str) -> Finding:
    """Return, in words, what is wrong with an issuer that could not be used."""
    metadata = _document(discovery_url, _("the discovery URL"))
    if isinstance(metadata, Finding):
        return metadata
    issuer, jwks_uri = metadata.get("issuer"), metadata.get("jwks_uri")
    if not isinstance(issuer, str) or not isinstance(jwks_uri, str):
        what = _("What is at %(url)s does not name an issuer and its keys.")
        fix = _("Look up the discovery URL in your identity provider's settings.")
        return Finding(False, what % {"url": discovery_url}, fix)
    if not jose.is_issuer_at(issuer, discovery_url):
        what = _("The metadata at %(url)s is that of another issuer, %(issuer)s.")
        fix = _("Use the discovery URL that begins with the issuer's own name.")
        return Finding(False, what % {"url": discovery_url, "issuer": issuer[:200]}, fix)
    keys = _document(jwks_uri, _("the issuer's keys (jwks_uri)"))
    if isinstance(keys, Finding):
        return keys
    what = _("What the issuer publishes at %(url)s is not a set of keys.") % {"url": jwks_uri}
    return Finding(False, what, _("Test again; if it stays so, ask who runs the issuer."))


def _document(url: str, called: str) -> dict[str, Any] | Finding:
    away = _("Check %(called)s, and whether the identity provider is running.")
    answer = ask(url, if_away=away % {"called": called})
    if isinstance(answer, Finding):
        return answer
    if answer.status != http.OK:
        return unwell(url, answer, away % {"called": called})
    found = parsed(answer.body)
    if isinstance(found, dict):
        return found
    what = _("%(url)s answers with something else than a JSON object.") % {"url": url}
    return Finding(False, what, away % {"called": called})


def _audience(agent: Agent) -> list[Finding]:
    open_to = agent.allow_everyone or agent.allowed_groups.exists() or agent.allowed_users.exists()
    if open_to:
        return []
    fix = _("Open it to everyone, to a group or to a person.")
    return [Finding(False, _("Nobody may use this agent yet."), fix)]


def _chat(version: AgentVersion) -> list[Finding]:
    """Return what keeps every person from chatting with the agent on this site's own pages."""
    if version.auth_mode == AgentVersion.AuthMode.SIGV4:
        what = _("People cannot chat with it: it takes only calls that are signed with a key.")
        fix = _("If they are to, let callers prove themselves with a person's token.")
        return [Finding(False, what, fix)]
    client = _people_of(version).client_id
    if not version.allowed_clients or client in version.allowed_clients:
        return []
    what = _(
        "People cannot chat with it: this site's client “%(client)s” is not among the allowed "
        "clients."
    )
    fix = _("If they are to, add it there.")
    return [Finding(False, what % {"client": client}, fix)]


def _people_of(version: AgentVersion) -> IdentityProvider:
    """Return whose people would chat with it: whose tokens it takes, or the first provider."""
    named = (
        one
        for one in identity_providers.every()
        if version.discovery_url in jose.discovery_urls_of(one.issuer)
    )
    return next(named, identity_providers.first())
