"""The explanation of one token at one agent.

It walks the very table that the authorizer walks, and asks for admission what the gateway asks. The
token is neither kept nor put on record.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from agents import admission, policies, snapshot
from agents.authorizer import checks, told
from agents.authorizer.evidence import Evidence
from agents.authorizer.verification import caller_of, learn
from agents.errors import AgentUnknown, AuthModeMismatch
from agents.explainer.advice import fix_for
from agents.explainer.findings import Finding, State
from agents.gateway import callers
from agents.keys.operations import INVOKE
from agents.models import AgentVersion
from agents.policies import facts
from agents.snapshot import Deployed
from core import http, jose
from core.errors import AppError
from core.secret import Secret
from core.subject import Subject

_GOOD = frozenset(
    check.name
    for check in (
        *(*checks.OF_ITSELF, *checks.OF_ITS_ISSUER, *checks.OF_ITS_KEY),
        *checks.OF_ITS_CLAIMS,
    )
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every check of a token at an agent, in order. `subject`: whose it is, if proved."""

    agent_id: str
    endpoint: str
    findings: tuple[Finding, ...]
    summary: dict[str, Any]
    subject: Subject | None

    @property
    def refusal(self) -> Finding | None:
        """Return the finding that keeps the token out, or None where it would be let in."""
        return next((finding for finding in self.findings if finding.decides), None)


async def explain(unverified_token: Secret, *, agent_id: str, endpoint: str) -> Explanation:
    """Return what every check says of a token that is shown to an agent's endpoint.

    Changes nothing, and sends nothing to the agent.

    Raises:
        AgentUnknown: there is no such agent or endpoint.
        RegistryUnavailable: the database cannot be asked.
    """
    deployed = await snapshot.deployed(agent_id, endpoint)
    if deployed is None:
        raise AgentUnknown(detail="not registered")
    evidence = Evidence.of(unverified_token.reveal(), deployed.authorizer, now=time.time())
    summary = told.summary_of(evidence)
    findings = [finding async for finding in _all(evidence, deployed)]
    decided = False
    for place, finding in enumerate(findings):
        if finding.state == State.REFUSED:
            fix = fix_for(finding.code, finding.expected, finding.found, summary)
            findings[place] = replace(finding, decides=not decided, fix=fix)
            decided = True
    caller = caller_of(evidence) if _is_good(findings) else None
    return Explanation(
        agent_id, endpoint, tuple(findings), summary, caller.subject if caller else None
    )


def explain_sync(unverified_token: Secret, *, agent_id: str, endpoint: str) -> Explanation:
    """Return what `explain` does, for a caller without an event loop."""
    return http.run(explain(unverified_token, agent_id=agent_id, endpoint=endpoint))


async def _all(evidence: Evidence, deployed: Deployed) -> AsyncIterator[Finding]:
    if deployed.auth_mode != AgentVersion.AuthMode.JWT:
        yield _refused("mode", AuthModeMismatch(), expected=["SigV4"], found=["Bearer"])
        return
    seen: list[Finding] = []
    async for finding in _of_token(evidence):
        seen.append(finding)
        yield finding
    async for finding in _of_person(evidence, deployed, good=_is_good(seen)):
        yield finding


async def _of_token(evidence: Evidence) -> AsyncIterator[Finding]:
    """Yield what the authorizer's table says, and which of its checks could not be looked at."""
    for check in checks.OF_ITSELF:
        # Of a text that is no token there is nothing but its format to look at.
        is_first = check is checks.OF_ITSELF[0]
        yield _finding(check, evidence, reached=is_first or evidence.token is not None)
    away: jose.IssuerUnavailable | None = None
    if evidence.token is not None:
        try:
            await learn(evidence)
        except jose.IssuerUnavailable as exc:
            away = exc
    for check in checks.ONCE_LEARNED:
        if away is not None and check.name == "issuer":
            yield _refused("issuer", away, expected=[evidence.rule.discovery_url])
        else:
            needs_key = check in checks.OF_ITS_KEY[1:]
            reached = evidence.documents is not None and (evidence.key is not None or not needs_key)
            yield _finding(check, evidence, reached=reached)


def _finding(check: checks.Check, evidence: Evidence, *, reached: bool) -> Finding:
    if not reached:
        return Finding(check.name, State.NOT_REACHED)
    refusal = check.refusal(evidence)
    if not check.asked(evidence):
        return Finding(check.name, State.NOT_ASKED)
    expected, found = (told.cut(items) for items in check.compared(evidence))
    if refusal is None:
        return Finding(check.name, State.PASSED, tuple(expected), tuple(found))
    return _refused(check.name, refusal, expected=expected, found=found)


def _refused(
    name: str, error: AppError, *, expected: list[str] | None = None, found: list[str] | None = None
) -> Finding:
    return Finding(
        name,
        State.REFUSED,
        tuple(expected or ()),
        tuple(found or ()),
        error.code,
        error.status,
        str(error.message),
    )


def _is_good(findings: list[Finding]) -> bool:
    """Say whether the token is one of the issuer's that names a person, whatever the rule says."""
    passed = {finding.check for finding in findings if finding.state == State.PASSED}
    return passed >= _GOOD


async def _of_person(
    evidence: Evidence, deployed: Deployed, *, good: bool
) -> AsyncIterator[Finding]:
    """Yield what is asked of the person after the token: in the gateway's order, by its means."""
    if not good:
        for name in (*dict(admission.STEPS), "policy"):
            yield Finding(name, State.NOT_REACHED)
        return
    person = await admission.person_of(caller_of(evidence))
    found = {"users": sorted(person.groups)}
    expected = {"users": _users_of(deployed)}
    for name, step in admission.STEPS:
        wanted, got = (told.cut(each.get(name, [])) for each in (expected, found))
        try:
            await step(person, deployed)
        except AppError as error:
            yield _refused(name, error, expected=wanted, found=got)
        else:
            yield Finding(name, State.PASSED, tuple(wanted), tuple(got))
    try:
        await callers.refuse_denied(
            deployed, policies.PERSON, actions=[INVOKE], known=facts.of_token(person.verified)
        )
    except policies.PolicyDenied as error:
        said = [f"{name}: {value}" for name, value in error.told.items() if value]
        yield _refused("policy", error, found=said)
    else:
        yield Finding("policy", State.PASSED)


def _users_of(deployed: Deployed) -> list[str]:
    """Return for whom the agent is: everyone, groups, and how many people by name."""
    if deployed.everyone:
        return [_("everyone")]
    people = len(deployed.people)
    by_name = [_("%(number)d by name") % {"number": people}] if people else []
    return [*sorted(deployed.groups), *by_name]
