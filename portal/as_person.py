"""What one person has of one agent, for an admin who wants to see it as they do.

Nothing is done on the person's behalf, and nothing is looked up but what pages of theirs show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from agents.access import Opening
from agents.models import Agent, AgentVersion
from agents.probe import Finding
from core import identity_providers
from core.models import User
from portal.selectors import FOR_CHAT, agents_for, places_of_others
from vault.holdings.reach import Service, services_of


@dataclass(frozen=True, slots=True)
class Seen:
    """What the person has of the agent. `is_shown`: its card is on their start page.

    `findings` are the steps to that, each met or not; `services` what it may ask them for.
    """

    is_shown: bool
    findings: tuple[Finding, ...]
    services: tuple[Service, ...]


def agent_as_seen(agent: Agent, *, by: User) -> Seen:
    """Return what `by` has of `agent` now, by the groups of their last sign-in."""
    workload = agent.workload_identity_id
    services = services_of([workload], subject=by.subject)
    return Seen(
        agents_for(by).filter(pk=agent.pk).exists(),
        (*_of_person(agent, by), *_of_token(agent, by)),
        tuple(services.get(workload, ())),
    )


def _of_person(agent: Agent, person: User) -> Iterator[Finding]:
    if person.is_active:
        yield Finding(True, _("The account is switched on."))
    else:
        fix = _("Switch it on in the list of people, if it should be.")
        yield Finding(False, _("The account is switched off."), fix)
    if list(Opening.of(agent).rules_for(person)):
        yield Finding(True, _("A rule opens the agent to them."))
    else:
        what = _("No rule opens the agent to them, and they do not see that it exists.")
        fix = _("“3. Who may use it” on its page names everyone, groups and people.")
        yield Finding(False, what, fix)
    if agent.enabled and agent.workload_identity.enabled:
        yield Finding(True, _("The agent is switched on."))
    else:
        what = _("The agent or its workload identity is switched off.")
        yield Finding(False, what, _("Switch it on."))


def _of_token(agent: Agent, person: User) -> Iterator[Finding]:
    """Yield whether the newest version speaks with people, and takes this one's tokens."""
    newest = agent.versions.order_by("-number").first()
    if newest is None:
        yield Finding(False, _("The agent has no version."), _("Save it with a URL."))
        return
    if newest.auth_mode != AgentVersion.AuthMode.JWT or newest.protocol not in FOR_CHAT:
        what = _("It is for programs: no page of the chat shows it.")
        fix = _("People chat with agents that take a person's token and speak HTTP or AG-UI.")
        yield Finding(False, what, fix)
        return
    own = identity_providers.of_issuer(person.iss)
    if own is None:
        what = _("They signed in at %(issuer)s, which is none of this site's identity providers.")
        fix = _("They sign in again at one that is.")
        yield Finding(False, what % {"issuer": person.iss}, fix)
    elif newest.discovery_url in places_of_others(own):
        what = _("It takes the tokens of %(url)s, and theirs come from %(issuer)s.")
        told = {"url": newest.discovery_url, "issuer": own.issuer}
        yield Finding(False, what % told, _("“2. Who may call it” on its page says whose."))
    elif newest.allowed_clients and own.client_id not in newest.allowed_clients:
        what = _("This site's client “%(client)s” is not among the allowed clients.")
        fix = _("If people are to chat with it, add it there.")
        yield Finding(False, what % {"client": own.client_id}, fix)
    else:
        yield Finding(True, _("It takes the tokens that they sign in with here."))
