"""Registers the demo world with the site, through the services that an admin's pages use.

`python -m demo.seed STATE` prints what it made as JSON. It may run at every start: it brings what
is there to what it should be, and leaves alone what people decided since, such as who may use an
agent or that it is switched off.
"""

from __future__ import annotations

import json
import os
import sys
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
from agents.models import AccessKey, Agent, WorkloadIdentity
from agents.services import agent_configure, agent_register
from core.audit import Actor
from core.crypto import seal
from core.secret import Secret
from vault.models import CredentialProvider
from vault.providers.services import provider_store

ACTOR = Actor("demo")
OIDC_CLIENT_ID = "daiko"
ACME_CLIENT_ID = "daiko"
_FACT = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-"
IDENTITY_HEADERS = (f"{_FACT}Id", f"{_FACT}Name", f"{_FACT}Groups")

AGENTS: dict[str, dict[str, Any]] = {
    "concierge": {
        "display_name": "Concierge",
        "description": "Looks into your Acme calendar and tells you what the day holds. "
        "Ask it what is on today, or when you are free tomorrow.",
        "groups": ["staff"],
        "everyone": False,
    },
    "greeter": {
        "display_name": "Greeter",
        "description": "Tells you who it thinks you are, and how it knows. "
        "Administrators can ask it for a service report.",
        "groups": [],
        "everyone": True,
    },
}
CALENDAR_WORDS = {
    "calendar.read": {
        "en": "See the events in your calendar",
        "ja": "カレンダーの予定を見る",
    }
}


def seed(state: dict[str, Any]) -> dict[str, Any]:
    """Bring the site to the demo's registrations; returns what `demo.json` tells of them."""
    agents = {name: _agent(name, state) for name in AGENTS}
    _access_key("operator", state["operator_key"], None)
    for name, agent in agents.items():
        _access_key(name, state["agent_keys"][name], agent.workload_identity)
    provider = _acme(state, agents["concierge"].workload_identity)
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


def _agent(name: str, state: dict[str, Any]) -> Agent:
    asked = Configuration(
        url=state["urls"][name],
        discovery_url=f"{state['urls']['idp']}/.well-known/openid-configuration",
        allowed_clients=(OIDC_CLIENT_ID,),
        header_allowlist=IDENTITY_HEADERS,
    )
    agent = Agent.objects.filter(name=name).first()
    if agent is not None:
        # Ports can move between two starts; nothing else is taken back.
        agent_configure(agent=agent, asked=asked, actor=ACTOR)
        return agent
    about = AGENTS[name]
    return agent_register(
        name=name,
        display_name=about["display_name"],
        description=about["description"],
        asked=asked,
        actor=ACTOR,
        everyone=about["everyone"],
        groups=[Group.objects.get_or_create(name=group)[0] for group in about["groups"]],
    )


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


def _acme(state: dict[str, Any], workload: WorkloadIdentity) -> CredentialProvider:
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
    provider.workloads.add(workload)
    return provider


def main() -> None:
    """Bring the database up to date, seed it, and print what was made."""
    call_command("migrate", interactive=False, verbosity=0)
    state = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(seed(state), indent=2) + "\n")


if __name__ == "__main__":
    main()
