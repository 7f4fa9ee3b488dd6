"""What people do at the running demo, without a screen: sign in, allow, and look after agents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tests.fixtures.browsing import (
    browser,
    forms,
    get,
    new_pkce,
    post,
    query_of,
    submit,
    with_query,
)
from tests.fixtures.world import World

_KEY = re.compile(r"export (AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY))=(\S+)")


@contextmanager
def signed_in(world: World, username: str) -> Iterator[httpx.Client]:
    """Give a browser in which a person is signed in at the site."""
    with browser(world.url, follow=True) as client:
        fill = {"login": username, "password": world.password(username)}
        page = client.get("/oidc/authenticate/")
        home = submit(client, page, button="Sign in", fill=fill)
        assert home.is_success and str(home.url).startswith(world.url), home.text
        yield client


def token_of(client: httpx.Client, world: World) -> str:
    """Return an access token of whoever is signed in, as the site itself gets one."""
    asked = {"client_id": world.facts["idp"]["client_id"]}
    asked |= {"redirect_uri": f"{world.url}/oidc/callback/"}
    endpoints = get(world.facts["idp"]["discovery_url"]).json()
    pkce = new_pkce()
    challenge = {"code_challenge": pkce.challenge, "code_challenge_method": "S256"}
    scope = {"response_type": "code", "scope": "openid profile groups", "state": "s"}
    back = client.get(
        with_query(endpoints["authorization_endpoint"], asked | scope | challenge),
        follow_redirects=False,
    )
    tokens = post(
        endpoints["token_endpoint"],
        data=asked
        | {"grant_type": "authorization_code", "code": query_of(back)["code"]}
        | {"code_verifier": pkce.verifier, "client_secret": world.remembered("idp_client_secret")},
    )
    return str(tokens.raise_for_status().json()["access_token"])


def allow(client: httpx.Client, world: World, username: str, link: str) -> httpx.Response:
    """Follow a consent link and allow; return the page at which the consent ended."""
    return _decide("Allow", client, world, username, link)


def deny(client: httpx.Client, world: World, username: str, link: str) -> httpx.Response:
    """Follow a consent link and deny; return the page at which the consent ended."""
    return _decide("Deny", client, world, username, link)


def _decide(
    button: str, client: httpx.Client, world: World, username: str, link: str
) -> httpx.Response:
    page = client.get(link)
    if not any(button in form.buttons for form in forms(page)):
        email, password = world.acme_account(username)
        fill = {"username": email, "password": password}
        page = submit(client, page, button="Sign in", fill=fill)
    return submit(client, page, button=button)


def disconnect_all(client: httpx.Client) -> None:
    """Take back whatever the person granted."""
    questions = {form.action for form in forms(client.get("/connections/"))}
    for question in sorted(each for each in questions if each.endswith("/disconnect/")):
        submit(client, client.get(question), button="Disconnect").raise_for_status()


def sent(admin: httpx.Client, path: str, fill: Mapping[str, Any]) -> httpx.Response:
    """Fill in and send the form of an admin's page; return the page that answers."""
    fields = [form.fields for form in forms(admin.get(path)) if form.action in {"", path}]
    token = next(found for each in fields if (found := each.get("csrfmiddlewaretoken")))
    given = {"csrfmiddlewaretoken": token, **fill}
    answer = admin.post(path, data=given, headers={"Origin": str(admin.base_url).rstrip("/")})
    assert answer.is_success
    assert not (wrong := re.findall(r'"errorlist".*?</ul>', answer.text)), wrong
    return answer


def agent_added(admin: httpx.Client, name: str, **fill: str) -> tuple[str, str]:
    """Register an agent that everyone may use; return its page's path and its ARN."""
    about = {"name": name, "display_name": name, "protocol": "HTTP"}
    page = sent(
        admin,
        "/admin/agents/agent/add/",
        about | {"enabled": "on", "allow_everyone": "on"} | fill,
    )
    [arn] = set(re.findall(r"arn:aws:[^\s<&]+:runtime/\w+-\w{10}", page.text))
    return page.url.path, arn


def agent_key_added(admin: httpx.Client, workload: str) -> dict[str, str]:
    """Make an access key for a workload identity; return it as an agent's environment has it."""
    identities = admin.get("/admin/agents/workloadidentity/", params={"q": workload})
    [row] = set(re.findall(r"/workloadidentity/(\d+)/change/", identities.text))
    about = {"label": workload, "kind": "agent", "workload_identity": row}
    return dict(_KEY.findall(sent(admin, "/admin/agents/accesskey/add/", about).text))


def agent_switched_off(admin: httpx.Client, page: str) -> None:
    """Switch the agent of a page off: what people granted it keeps it from being deleted."""
    [row] = re.findall(r"\d+", page)
    chosen = {"action": "disable_selected", "_selected_action": row}
    sent(admin, "/admin/agents/agent/", chosen)
