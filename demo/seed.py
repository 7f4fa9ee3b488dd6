"""Registers the demo world with the site, through the services that an admin's pages use.

`python -m demo.seed STATE` prints what it made as JSON. It may run at every start: it brings what
is there to what it should be, and leaves alone what people decided since, such as who may use an
agent or that it is switched off.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import django

from portal.environment import told_plainly

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
with told_plainly():
    django.setup()

# Models can be imported only once Django is set up.
from django.contrib.auth.models import Group
from django.core.management import call_command

from agents.configuration import Configuration
from agents.models import AccessKey, Agent, AgentVersion, WorkloadIdentity
from agents.services import agent_configure, agent_register, endpoint_change, endpoint_create
from core.audit import Actor
from core.crypto import seal
from core.secret import Secret
from demo.roster import AGENTS, FOR_PROGRAMS
from vault.models import CredentialProvider
from vault.providers.services import provider_store

ACTOR = Actor("demo")
OIDC_CLIENT_ID = "daiko"
ASK_CLIENT_ID = "daiko-ask"
ACME_CLIENT_ID = "daiko"
_FACT = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-"
IDENTITY_HEADERS = (f"{_FACT}Id", f"{_FACT}Name", f"{_FACT}Groups")

CALENDAR_WORDS = {
    "calendar.read": {
        "en": "See the events in your calendar",
        "ja": "カレンダーの予定を見る",
    }
}


def seed(state: dict[str, Any]) -> dict[str, Any]:
    """Bring the site to the demo's registrations; returns what `demo.json` tells of them."""
    known = set(Agent.objects.filter(name__in=AGENTS).values_list("name", flat=True))
    agents: dict[str, Agent] = {}
    for name in AGENTS:
        agents[name] = _agent(name, agents, state)
    _access_key("operator", state["operator_key"], None)
    for name, agent in agents.items():
        _access_key(name, state["agent_keys"][name], agent.workload_identity)
    provider = _acme(state)
    # At their first start alone: an admin may have taken one off since.
    provider.workloads.add(
        *(
            agents[name].workload_identity
            for name, about in AGENTS.items()
            if about.reads_calendar and name not in known
        )
    )
    return {
        "agents": [
            {
                "name": name,
                "id": agent.agent_id,
                "arn": agent.arn,
                "workload_name": agent.workload_identity.name,
            }
            for name, agent in agents.items()
        ],
        "providers": [
            {
                "name": provider.name,
                "vendor": provider.vendor,
                "callback_url": provider.callback_url,
            }
        ],
    }


def _agent(name: str, agents: Mapping[str, Agent], state: dict[str, Any]) -> Agent:
    """Return an agent, registered; `agents` are those before it, who may call it.

    Ports can move between two starts; nothing else is taken back.
    """
    for_people = Configuration(
        url=state["urls"][name],
        protocol=AGENTS[name].protocol,
        discovery_url=f"{state['urls']['idp']}/.well-known/openid-configuration",
        allowed_clients=(OIDC_CLIENT_ID, ASK_CLIENT_ID),
        header_allowlist=IDENTITY_HEADERS,
    )
    callers = [agents[each].workload_identity for each in agents if AGENTS[each].calls == name]
    agent = Agent.objects.filter(name=name).first() or _registered(name, for_people)
    if AGENTS[name].for_programs:
        for_programs = replace(
            for_people,
            auth_mode=AgentVersion.AuthMode.SIGV4,
            discovery_url="",
            allowed_clients=(),
            allowed_workloads=tuple(caller.name for caller in callers),
        )
        _open_to_programs(agent, for_programs)
    agent_configure(agent=agent, asked=for_people, actor=ACTOR)
    return agent


def _registered(name: str, asked: Configuration) -> Agent:
    about = AGENTS[name]
    return agent_register(
        name=name,
        display_name=about.display_name,
        description=about.description,
        asked=asked,
        actor=ACTOR,
        everyone=not about.group,
        accepts=about.accepts,
        groups=[Group.objects.get_or_create(name=about.group)[0]] if about.group else [],
    )


def _open_to_programs(agent: Agent, asked: Configuration) -> None:
    """Have the endpoint for programs serve `asked`, which people's clients do not reach."""
    endpoint = agent.endpoints.filter(name=FOR_PROGRAMS).first()
    if endpoint and endpoint.version and Configuration.of(endpoint.version) == asked:
        return
    version = agent_configure(agent=agent, asked=asked, actor=ACTOR, may_drop_authorizer=True)
    if endpoint:
        endpoint_change(endpoint=endpoint, number=version.number, actor=ACTOR)
    else:
        endpoint_create(agent=agent, name=FOR_PROGRAMS, number=version.number, actor=ACTOR)


def _access_key(label: str, pair: dict[str, str], workload: WorkloadIdentity | None) -> None:
    """Store a key pair that the supervisor made, since it has to give it to the agent's process."""
    kind = AccessKey.Kind.AGENT if workload else AccessKey.Kind.OPERATOR
    key = AccessKey(access_key_id=pair["access_key_id"], label=label, kind=kind)
    key.workload_identity = workload
    if AccessKey.objects.filter(access_key_id=key.access_key_id).exists():
        return
    key.secret_sealed = seal(
        Secret(pair["secret_access_key"]), bound_to=key.binding("secret_sealed")
    )
    key.save(force_insert=True)


def _acme(state: dict[str, Any]) -> CredentialProvider:
    url = state["urls"]["acme"]
    metadata_url = f"{url}/.well-known/oauth-authorization-server"
    provider = CredentialProvider.objects.filter(name="acme-calendar").first()
    if provider is None:
        provider = CredentialProvider(name="acme-calendar")
    elif provider.discovery_url == metadata_url:
        return provider
    provider.display_name = "Acme Calendar"
    provider.client_id = ACME_CLIENT_ID
    provider.discovery_url = metadata_url
    provider.account_url = f"{url}/"
    provider.scope_words = CALENDAR_WORDS
    # So that an agent may be tried in all three flows; who may ask is its list of workloads.
    provider.obo_grant_type = CredentialProvider.OboGrantType.TOKEN_EXCHANGE
    provider_store(
        provider=provider, client_secret=Secret(state["acme_client_secret"]), actor=ACTOR
    )
    return provider


def main() -> None:
    """Bring the database up to date, seed it, and print what was made."""
    call_command("migrate", interactive=False, verbosity=0)
    state = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(seed(state), indent=2) + "\n")


if __name__ == "__main__":
    main()
