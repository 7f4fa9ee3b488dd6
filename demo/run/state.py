"""What the demo remembers: its keys, passwords and ports, made at the first start.

One file, readable by its owner only. Nothing in it is used anywhere else: tests make their own.
"""

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from demo.acme.roster import ACCOUNTS
from demo.idp.roster import PEOPLE
from demo.roster import AGENTS
from demo.run.ports import PARTS

RSA_BITS = 2048

# Without what is easily mistaken for something else: people read these off a terminal.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

State = dict[str, Any]


def load(path: Path) -> State:
    """Return what is remembered in `path`, or something new; adds what an older file has not."""
    state: State = json.loads(path.read_text()) if path.exists() else {}
    for name, made in _new().items():
        state.setdefault(name, made)
    for people, passwords in (
        ([person.username for person in PEOPLE], state["passwords"]),
        ([account.email for account in ACCOUNTS], state["acme_passwords"]),
    ):
        for somebody in people:
            passwords.setdefault(somebody, _password())
    for name in AGENTS:
        state["agent_keys"].setdefault(name, _access_key())
    return state


def save(path: Path, state: State) -> None:
    """Keep `state` in `path`."""
    write_private(path, json.dumps(state, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Put `text` into `path`, at once and for its owner's eyes only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _new() -> State:
    vault_key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "ports": dict.fromkeys(PARTS),
        "secret_key": _secret(),
        "vault_keys": f"demo-1:{vault_key}",
        "idp_secret_key": _secret(),
        "idp_signing_key": _signing_key(),
        "idp_client_secret": _secret(),
        "acme_secret_key": _secret(),
        "acme_client_secret": _secret(),
        "operator_key": _access_key(),
        "agent_keys": {},
        "passwords": {},
        "acme_passwords": {},
    }


def _secret() -> str:
    return secrets.token_urlsafe(48)


def _password() -> str:
    return "-".join(_chosen(_READABLE, 4) for _ in range(3))


def _access_key() -> dict[str, str]:
    """Return a key pair in the form that AWS tools expect."""
    return {
        "access_key_id": "AKIA" + _chosen(_BASE32, 16),
        "secret_access_key": secrets.token_urlsafe(30),
    }


def _chosen(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
