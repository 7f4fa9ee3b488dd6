"""All that uses secrets at the running demo, once: so that the search has what to look for."""

from __future__ import annotations

import re
import uuid
from typing import Any

import boto3
import httpx
import psycopg

from tests.fixtures.browsing import browser
from tests.fixtures.world import World
from tests.sdk import people

QUESTION = "What is on my calendar today?"
PATIENCE_S = 60
_LINK = re.compile(r'http[^"\s\\]+/identities/oauth2/authorize\?[^"\s\\<]+')


def go(world: World) -> dict[str, str]:
    """Sign in, ask, consent, let a token be refreshed, read others, and take it all back.

    Returns every secret that came into the hands of those who did it, by what it is.
    """
    with people.signed_in(world, "bob") as bob:
        people.disconnect_all(bob)
        _chat(bob, world)
        _refresh(world)
        user_token = people.token_of(bob, world)
        held = _read(world, user_token)
        people.disconnect_all(bob)
        cookies = {f"cookie {name}": bob.cookies[name] for name in ("daiko_session", "daiko_csrf")}
        passwords = {
            "password at the identity provider": world.password("bob"),
            "password at Acme Calendar": world.acme_account("bob")[1],
        }
        return held | cookies | passwords | {"the person's own token": user_token}


def _chat(bob: httpx.Client, world: World) -> None:
    """Ask the concierge, allow what it asks for meanwhile, and be answered."""
    begun = _post(bob, "conversations", {"agent": world.agent("concierge")["id"]})
    said = {"text": QUESTION, "client_key": str(uuid.uuid4())}
    run = _post(bob, f"conversations/{begun['id']}/messages", said)["run"]
    path, consented = f"/api/v1/runs/{run['id']}/events", False
    with bob.stream("GET", path, timeout=PATIENCE_S) as events:
        assert events.status_code == 200
        for line in events.iter_lines():
            if not consented and (link := _LINK.search(line)):
                consented = True
                with browser(world.url, follow=True) as tab:
                    tab.cookies = bob.cookies
                    people.allow(tab, world, "bob", link[0].replace("&amp;", "&"))
            if line == "event: finished":
                break
    assert consented


def _post(bob: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    headers = {"Origin": str(bob.base_url).rstrip("/"), "X-CSRFToken": bob.cookies["daiko_csrf"]}
    return bob.post(f"/api/v1/{path}", json=body, headers=headers).raise_for_status().json()


def _refresh(world: World) -> None:
    """Let every access token be as good as expired: whoever reads one next refreshes it."""
    with psycopg.connect(world.database_url) as connection:
        connection.execute("UPDATE vault_grant SET access_expires_at = now() WHERE state = 'live'")


def _read(world: World, user_token: str) -> dict[str, str]:
    """Ask for one of each token, and for an API key, as the agent does; return them."""
    before = world.refreshes_at_acme()
    agent = world.agent("concierge")
    concierge = _client(world, "bedrock-agentcore", agent["agent_key"])
    own = concierge.get_workload_access_token(workloadName=agent["workload_name"])
    persons = concierge.get_workload_access_token_for_jwt(
        workloadName=agent["workload_name"], userToken=user_token
    )
    held = {
        "workload access token": own["workloadAccessToken"],
        "workload access token of a person": persons["workloadAccessToken"],
    }
    for token, flow, scope in (
        (persons, "USER_FEDERATION", "calendar.read"),
        (own, "M2M", "status.read"),
    ):
        answer = concierge.get_resource_oauth2_token(
            workloadIdentityToken=token["workloadAccessToken"],
            resourceCredentialProviderName="acme-calendar",
            scopes=[scope],
            oauth2Flow=flow,
        )
        held[flow] = answer["accessToken"]
    assert world.refreshes_at_acme() > before
    control = _client(world, "bedrock-agentcore-control", world.facts["operator_key"])
    name = f"leaks-{uuid.uuid4().hex[:8]}"
    key = f"key-{uuid.uuid4()}"
    control.create_api_key_credential_provider(name=name, apiKey=key)
    read = concierge.get_resource_api_key(
        workloadIdentityToken=own["workloadAccessToken"], resourceCredentialProviderName=name
    )
    assert read["apiKey"] == key
    control.delete_api_key_credential_provider(name=name)
    return held | {"API key": key}


def _client(world: World, service: str, key: dict[str, str]) -> Any:
    connect: Any = boto3.client
    return connect(
        service,
        endpoint_url=world.url,
        region_name=world.facts["region"],
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )
