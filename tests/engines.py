"""The engines and the environment of a test run: nothing in it is shared with the demo.

`python -m tests.engines COMMAND...` runs any command in such an environment.
"""

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.engines import running
from embedded.instance import held_temporarily

CHECKOUT = Path(__file__).resolve().parent.parent
GIVEN = ("DATABASE_URL", "REDIS_URL")
# Where the engines of this run keep what they write; not set where engines were given.
HOME = "TEST_ENGINES_HOME"

# Where sign-in would go. No test speaks to it; those that sign in bring an issuer of their own.
NOWHERE = {
    "OIDC_ISSUER": "https://idp.example",
    "OIDC_CLIENT_ID": "daiko",
    "OIDC_CLIENT_SECRET": "unused-" + "x" * 32,
    # All callers of a run have one address.
    "DAIKO_REFUSALS_PER_MINUTE": "0",
}


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Yield the site's environment: engines of this run, or those given, and keys of its own.

    Raises:
        SystemExit: only one of the two engines was given.
    """
    given = {name: os.environ[name] for name in GIVEN if os.environ.get(name)}
    if len(given) == len(GIVEN):
        yield keys() | NOWHERE | given
        return
    if given:
        sys.exit(f"set both of {', '.join(GIVEN)}, or none: tests then start their own")
    with (
        held_temporarily(CHECKOUT / "var" / "test") as instance,
        running(instance, durable=False, keeps_all=True) as engines,
    ):
        engines.postgres.database_ensure("daiko")
        urls = {
            "DATABASE_URL": engines.postgres.url("daiko"),
            "REDIS_URL": engines.redis.url,
            "CELERY_BROKER_URL": engines.redis.broker_url,
        }
        places = {"DAIKO_STATIC_ROOT": str(instance.home / "static"), HOME: str(instance.home)}
        yield keys() | NOWHERE | urls | places


def keys() -> dict[str, str]:
    """Return keys generated for this run."""
    vault_key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {"SECRET_KEY": secrets.token_urlsafe(48), "VAULT_KEYS": f"test:{vault_key}"}


def main() -> int:
    """Run the command given as arguments and return its status."""
    with environment() as env:
        command = sys.argv[1:]
        return subprocess.run(command, check=False, env=os.environ | env).returncode


if __name__ == "__main__":
    sys.exit(main())
