"""Every part of the demo as a child: its command, its environment, and when it is up."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from demo.roster import AGENTS, FOR_PROGRAMS
from demo.run.engines import Urls
from demo.run.probes import answers
from demo.run.state import State, write_private
from embedded.instance import Instance
from embedded.process import Child

CHECKOUT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
OIDC_CLIENT_ID = "daiko"
ASK_CLIENT_ID = "daiko-ask"  # a person's own program: `python -m demo.ask`
ACME_CLIENT_ID = "daiko"

# What whoever starts the demo may tell its parts, each in its own documentation.
SITE_OPTIONS = ("DAIKO_LANGUAGE", "LOG_LEVEL")
IDP_OPTIONS = ("IDP_ACCESS_TOKEN_S",)
ACME_OPTIONS = ("ACME_ACCESS_TOKEN_S", "ACME_REUSE_GRACE_S", "ACME_LEDGER_KEY")
AGENT_OPTIONS = (
    *("DEMO_MODEL", "DEMO_WORD_DELAY_S"),
    *("OPENAI_API_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"),
)


@dataclass(frozen=True)
class Parts:
    """Makes the children of one demo."""

    instance: Instance
    state: State
    ports: Mapping[str, int]
    urls: Urls

    def url(self, part: str) -> str:
        """Return where a part is reached."""
        return f"http://localhost:{self.ports[part]}"

    @property
    def state_file(self) -> Path:
        """Where `state` is kept."""
        return state_file(self.instance.home)

    @property
    def seed_output(self) -> Path:
        """Where the seed says what it made."""
        return run_folder(self.instance.home) / "seed.json"

    def seed(self) -> Child:
        """Bring the site's database up to date, with the agents and the provider registered."""
        return self._errand(
            "seed",
            ["-m", "demo.seed", str(self.state_file)],
            self._site_env(),
            output=self.seed_output,
        )

    def static_files(self) -> Child:
        """Collect the site's static files under names made of their content."""
        argv = ["manage.py", "collectstatic", "--no-input", "--verbosity=0"]
        return self._errand("static", argv, self._site_env())

    def idp(self) -> Child:
        """Return the identity provider."""
        site = self.url("site")
        return self._child(
            "idp",
            ["-m", "demo.idp"],
            {
                "IDP_URL": self.url("idp"),
                "IDP_SECRET_KEY": self.state["idp_secret_key"],
                "IDP_SIGNING_KEY_FILE": self._key_file("idp.pem", self.state["idp_signing_key"]),
                "IDP_DATABASE_URL": self.urls.idp,
                "IDP_CLIENT_ID": OIDC_CLIENT_ID,
                "IDP_CLIENT_SECRET": self.state["idp_client_secret"],
                "IDP_REDIRECT_URIS": f"{site}/oidc/callback/",
                "IDP_POST_LOGOUT_URIS": f"{site}/",
                "IDP_PASSWORDS_FILE": self._key_file(
                    "idp-passwords.json", json.dumps(self.state["passwords"])
                ),
                "IDP_RESOURCES": f"{site}/runtimes/",
                "IDP_PROGRAM_CLIENT_ID": ASK_CLIENT_ID,
                "IDP_PROGRAM_REDIRECT_URIS": f"{self.url('ask')}/",
                **_options(IDP_OPTIONS),
            },
            health="/healthz",
        )

    def acme(self, *, redirect_uris: Sequence[str]) -> Child:
        """Return Acme Calendar; consent at it ends at `redirect_uris`."""
        return self._child(
            "acme",
            ["-m", "demo.acme"],
            {
                "ACME_URL": self.url("acme"),
                "ACME_SECRET_KEY": self.state["acme_secret_key"],
                "ACME_DATABASE_URL": self.urls.acme,
                "ACME_CLIENT_ID": ACME_CLIENT_ID,
                "ACME_CLIENT_SECRET": self.state["acme_client_secret"],
                "ACME_REDIRECT_URIS": " ".join(redirect_uris),
                "ACME_TRUSTED_ISSUER": self.url("idp"),
                "ACME_PASSWORDS_FILE": self._key_file(
                    "acme-passwords.json", json.dumps(self.state["acme_passwords"])
                ),
                **_options(ACME_OPTIONS),
            },
            health="/healthz",
        )

    def agents(self, seeded: Sequence[Mapping[str, Any]]) -> list[Child]:
        """Return the example agents, each with an access key of its own.

        Those that call another one are told where: `seeded` says the ARNs.
        """
        arns = {agent["name"]: agent["arn"] for agent in seeded}
        return [
            self._child(
                name,
                ["-m", f"demo.agents.{name}"],
                {
                    "PORT": str(self.ports[name]),
                    "AWS_REGION": REGION,
                    "AWS_ACCESS_KEY_ID": self.state["agent_keys"][name]["access_key_id"],
                    "AWS_SECRET_ACCESS_KEY": self.state["agent_keys"][name]["secret_access_key"],
                    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": self.url("site"),
                    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": self.url("site"),
                    "ACME_URL": self.url("acme"),
                    **self._called(about.calls, arns),
                    **_options(AGENT_OPTIONS),
                },
                health="/ping",
            )
            for name, about in AGENTS.items()
        ]

    def _called(self, name: str, arns: Mapping[str, str]) -> dict[str, str]:
        """Return the variable that says where an agent is called by another; empty: none."""
        return (
            {f"{name.upper()}_URL": self.invocations_url(arns[name], FOR_PROGRAMS)} if name else {}
        )

    def invocations_url(self, arn: str, endpoint: str = "") -> str:
        """Return where an agent is called; an endpoint other than DEFAULT by its own ARN."""
        named = f"{arn}/runtime-endpoint/{endpoint}" if endpoint else arn
        return f"{self.url('site')}/runtimes/{quote(named, safe='')}/invocations"

    def site_is_told(self) -> None:
        """Keep what the site is told by its environment, for `demo.manage`."""
        write_private(site_environment_file(self.instance.home), json.dumps(self._site_env()))

    def site(self) -> Child:
        """Return the site."""
        return self._child("site", ["manage.py", "serve"], self._site_env(), health="/healthz")

    def worker(self) -> Child:
        """Return Celery's worker."""
        alone = ["--without-gossip", "--without-mingle"]
        return self._celery("worker", alone, up_when=" ready.")

    def beat(self) -> Child:
        """Return Celery's clock."""
        return self._celery("beat", ["--pidfile="], up_when="beat: Starting...")

    def _celery(self, name: str, arguments: Sequence[str], *, up_when: str) -> Child:
        argv = ["-m", "celery", "--app=portal", name, "--loglevel=INFO", *arguments]
        child = self._child(name, argv, self._site_env() | {"LOG_LEVEL": "INFO"})
        child.is_ready = lambda: child.has_logged(up_when)
        # A polite end needs Redis, which is going too: a worker was seen to wait for it for ever.
        # A task that was not done is given to the next worker (acks late).
        child.die_with = signal.SIGKILL
        return child

    def _site_env(self) -> dict[str, str]:
        return {
            "SITE_URL": self.url("site"),
            "PORT": str(self.ports["site"]),
            "SECRET_KEY": self.state["secret_key"],
            "VAULT_KEYS": self.state["vault_keys"],
            "DATABASE_URL": self.urls.site,
            "REDIS_URL": self.urls.redis,
            "CELERY_BROKER_URL": self.urls.broker,
            "OIDC_ISSUER": self.url("idp"),
            "OIDC_CLIENT_ID": OIDC_CLIENT_ID,
            "OIDC_CLIENT_SECRET": self.state["idp_client_secret"],
            "OIDC_SCOPES": "openid profile groups offline_access",
            "AWS_REGION": REGION,
            "DAIKO_ACCOUNT_ID": ACCOUNT_ID,
            "DAIKO_ALLOWED_PRIVATE_HOSTS": "localhost,127.0.0.1",
            "DAIKO_STATIC_ROOT": str(self.instance.home / "static"),
            **_options(SITE_OPTIONS),
        }

    def _errand(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], *, output: Path | None = None
    ) -> Child:
        child = self._child(name, argv, env)
        child.errand, child.output = True, output
        return child

    def _child(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], *, health: str = ""
    ) -> Child:
        return Child(
            name=name,
            argv=[sys.executable, *argv],
            env={"PYTHONUNBUFFERED": "1", **env},
            log=self.instance.log(name),
            is_ready=_health_of(self.ports.get(name), health),
            lifeline=self.instance.lifeline,
            cwd=CHECKOUT,
        )

    def _key_file(self, name: str, text: str) -> str:
        path = self.instance.home / "keys" / name
        write_private(path, text)
        return str(path)


def state_file(home: Path) -> Path:
    """Return where a demo in `home` keeps what it remembers."""
    return home / "demo-state.json"


def run_folder(home: Path) -> Path:
    """Return where a demo in `home` keeps what is true only while it runs."""
    return home / "run"


def site_environment_file(home: Path) -> Path:
    """Return where a demo in `home` keeps its site's environment, for its owner's eyes only."""
    return run_folder(home) / "site.json"


def _health_of(port: int | None, path: str) -> Callable[[], bool]:
    return lambda: bool(port and path) and answers(port or 0, path)


def _options(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}
