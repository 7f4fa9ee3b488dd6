"""What the demo tells the people and the programs that use it."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from demo.acme.roster import ACCOUNTS
from demo.idp.roster import PEOPLE
from demo.roster import AGENTS
from demo.run.parts import ACCOUNT_ID, ASK_CLIENT_ID, CHECKOUT, OIDC_CLIENT_ID, REGION, Parts
from demo.run.state import write_private


def file_of(home: Path) -> Path:
    """Return where a demo in `home` describes itself."""
    return home / "demo.json"


def url_in(home: Path) -> str | None:
    """Return where the site of the demo in `home` is, once it has said so."""
    try:
        return str(json.loads(file_of(home).read_text())["url"])
    except FileNotFoundError:
        return None


def write(parts: Parts, seeded: dict[str, Any]) -> None:
    """Write `demo.json`, which tests and tools read."""
    issuer = parts.url("idp")
    accounts = [
        {"email": account.email, "password": parts.state["acme_passwords"][account.email]}
        for account in ACCOUNTS
    ]
    facts = {
        "url": parts.url("site"),
        "users": [
            {
                "username": person.username,
                "password": parts.state["passwords"][person.username],
                "groups": list(person.groups),
            }
            for person in PEOPLE
        ],
        "region": REGION,
        "account_id": ACCOUNT_ID,
        "operator_key": parts.state["operator_key"],
        "agents": [
            {
                **{name: agent[name] for name in ("name", "id", "arn", "workload_name")},
                "protocol": AGENTS[agent["name"]].protocol,
                "url": parts.invocations_url(agent["arn"]),
                "agent_key": parts.state["agent_keys"][agent["name"]],
            }
            for agent in seeded["agents"]
        ],
        "providers": [
            {
                "name": provider["name"],
                "vendor": provider["vendor"],
                "url": parts.url("acme"),
                "accounts": accounts,
            }
            for provider in seeded["providers"]
        ],
        "idp": {
            "issuer": issuer,
            "discovery_url": f"{issuer}/.well-known/openid-configuration",
            "client_id": OIDC_CLIENT_ID,
            "program": {"client_id": ASK_CLIENT_ID, "redirect_uri": f"{parts.url('ask')}/"},
        },
    }
    write_private(file_of(parts.instance.home), json.dumps(facts, indent=2) + "\n")


def text(parts: Parts, *, asked_port: int) -> str:
    """Return what a person needs to know to begin; says again where the site had to move."""
    moved = "" if asked_port == parts.ports["site"] else f"   (port {asked_port} is taken)"
    people = [
        (person.username, parts.state["passwords"][person.username], ", ".join(person.groups))
        for person in PEOPLE
    ]
    accounts = [
        (account.email, parts.state["acme_passwords"][account.email], "") for account in ACCOUNTS
    ]
    home = parts.instance.home
    elsewhere = "" if home == CHECKOUT / "var" else f" --home {home}"
    programs = [
        (name, about.protocol, f"{_python()} -m demo.ask {name}{elsewhere}")
        for name, about in AGENTS.items()
        if about.protocol != "HTTP"
    ]
    return "\n".join(
        [
            "",
            f"  Daiko            {parts.url('site')}{moved}",
            f"  Acme Calendar    {parts.url('acme')}",
            f"  Keys and data    {file_of(parts.instance.home)}",
            "",
            *_table(("Sign in as", "Password", "Groups"), people),
            "",
            *_table(("At Acme Calendar", "Password", ""), accounts),
            "",
            *_table(("Agent", "Speaks", "Ask it from another terminal"), programs),
            "",
            f"  An access token    {_python()} -m demo.ask token{elsewhere}",
            f"  manage.py          {_python()} -m demo.manage --help{elsewhere}",
            "",
        ]
    )


def _python() -> str:
    """Return this Python as one types it in the checkout."""
    running = Path(sys.executable)
    return str(running.relative_to(CHECKOUT) if running.is_relative_to(CHECKOUT) else running)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    everything = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    lines = [
        "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in everything
    ]
    rule = "  " + "   ".join("-" * width for width in widths)
    return [line.rstrip() for line in (lines[0], rule, *lines[1:])]
