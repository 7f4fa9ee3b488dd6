"""What is wrong in the environment ends a start with a sentence, and never with a traceback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from portal.environment import Environment, Misconfigured, listed, text
from tests.engines import CHECKOUT, NOWHERE, keys
from tests.fixtures.demo_sites import own_database

RIGHT = {
    **NOWHERE,
    **keys(),
    "DATABASE_URL": "postgresql://daiko@127.0.0.1:1/daiko",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
REQUIRED = (
    *("SECRET_KEY", "VAULT_KEYS", "DATABASE_URL", "REDIS_URL"),
    *("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"),
)
PRIVATE = "hunter2"
SHORT_KEY = "a2V5" + PRIVATE
TIMEOUT_S = 60


def run(*argv: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run a command of the site in an environment that is right but for `variables`."""
    env = {name: value for name, value in {**RIGHT, **variables}.items() if value is not None}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def sentences(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a command that refused to start said."""
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert PRIVATE not in ended.stderr + ended.stdout
    return ended.stderr.splitlines()


WRONG = [
    ("SECRET_KEY", PRIVATE, "is so short that it could be guessed: it has to be at least 50"),
    ("SECRET_KEY", "", "is empty"),
    ("VAULT_KEYS", PRIVATE, "cannot be read (entry 1 is not of the form id:base64key)"),
    ("VAULT_KEYS", f"a:{SHORT_KEY}", "cannot be read (the key of entry 1 is not"),
    ("VAULT_KEYS", f"{PRIVATE}:a", "cannot be read (the key of entry 1 is not"),
    ("VAULT_KMS_KEY_ARN", "alias/x", "is 'alias/x': it has to be the ARN of a symmetric key"),
    ("DATABASE_URL", f"mysql://u:{PRIVATE}@db/x", "cannot be read: it has to be a URL such as"),
    ("DATABASE_URL", f"postgresql://u:{PRIVATE}@db", "names no database"),
    ("DATABASE_URL", f"postgresql://u:{PRIVATE}/x@db/x", "has a host or a port that cannot"),
    ("DATABASE_URL", f"postgresql://u:x@{PRIVATE}@db/x", "has a host or a port that cannot"),
    ("DATABASE_URL", "", "is empty"),
    ("DATABASE_POOL_MAX", "0", "is '0': it has to be a whole number from 1 to 10000"),
    ("REDIS_URL", f"http://:{PRIVATE}@redis", "cannot be read: it has to be a URL such as"),
    ("REDIS_URL", f"redis://:{PRIVATE}/x@redis:6379/0", "cannot be read"),
    ("REDIS_URL", f"redis://:1/{PRIVATE}@redis:6379/0", "has a host that cannot be one"),
    ("CELERY_BROKER_URL", f"unix:///{PRIVATE}", "does not begin with a scheme that Celery"),
    ("OIDC_ISSUER", "idp.example", "is 'idp.example': it has to be the https URL"),
    ("OIDC_ISSUER", f"https://u:{PRIVATE}@idp.example", "holds a user or a password: it has"),
    ("OIDC_ISSUER", f"https:/u:{PRIVATE}@idp.example", "holds a user or a password"),
    ("DAIKO_TRUSTED_ISSUERS", f"https://u:{PRIVATE}@idp.example", "holds a user or a password"),
    ("OIDC_CLIENT_ID", "", "is empty"),
    ("OIDC_CLIENT_SECRET", "", "is empty"),
    ("OIDC_SCOPES", "", "is empty"),
    ("OIDC_LABEL", "", "is empty"),
    ("OIDC_FURTHER", "partner,Partner", "holds 'Partner': it has to be different words of a-z"),
    ("OIDC_FURTHER", "partner,partner", "holds 'partner'"),
    ("OIDC_FURTHER", "a/b", "holds 'a/b'"),
    ("SITE_URL", "http://chat.example", "is 'http://chat.example': it has to be scheme, host"),
    ("SITE_URL", "https://chat.example/daiko", "is 'https://chat.example/daiko'"),
    ("SITE_URL", "http://[::1", "cannot be read"),
    ("SITE_URL", f"https://u:{PRIVATE}@chat.example", "holds a user or a password: it has to be"),
    ("SITE_URL", f"u:{PRIVATE}@chat.example", "holds a user or a password"),
    ("DAIKO_LANGUAGE", "de", "is 'de': it has to be en or ja"),
    ("DAIKO_GROUPS_CLAIM", "", "is empty"),
    ("DAIKO_ROLES", "operator", "holds 'operator'"),
    ("DAIKO_ROLES", "auditor=books,operator=", "holds 'operator='"),
    (
        "DAIKO_ROLES",
        "admin=ops",
        "holds 'admin=ops': it has to be name=group separated by commas, "
        "a name being operator, auditor or help-desk",
    ),
    ("DAIKO_ALLOWED_PRIVATE_HOSTS", "localhost,*.lan", "holds '*.lan'"),
    ("DAIKO_ALLOWED_PRIVATE_HOSTS", f"http://u:{PRIVATE}@idp", "holds a user or a password"),
    ("DAIKO_OPEN_AGENTS", "yes", "is 'yes': it has to be true or false"),
    ("DAIKO_OPEN_PROVIDERS", "yes", "is 'yes': it has to be true or false"),
    ("DAIKO_STATIC_ROOT", "", "is empty"),
    ("AWS_REGION", "", "is empty"),
    ("DAIKO_ACCOUNT_ID", "", "is empty"),
    ("LOG_LEVEL", "loud", "is 'loud': it has to be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ("HOST", "", "is empty"),
    ("PORT", "abc", "is 'abc': it has to be a whole number from 1 to 65535"),
    ("PORT", "65536", "is '65536'"),
    ("WEB_WORKERS", "0", "is '0': it has to be a whole number from 1 to 1000"),
    ("DAIKO_REFUSALS_PER_MINUTE", "-1", "is '-1': it has to be a whole number from 0 to 1000000"),
]
# Lists of anything, and of nothing.
CANNOT_BE_WRONG = {"ALLOWED_HOSTS", "DAIKO_ADMIN_GROUPS"}


def variables() -> set[str]:
    """Return the name of every variable that the settings read."""
    return set(
        re.findall(r'_told\.read\(\s*"(\w+)"', (CHECKOUT / "portal/settings.py").read_text())
    )


def test_every_variable_has_its_row_here_and_in_the_documentation() -> None:
    documented = (CHECKOUT / "docs/operating.md").read_text()

    assert variables() - CANNOT_BE_WRONG == {name for name, _value, _said in WRONG}
    assert [name for name in variables() if f"`{name}`" not in documented] == []


def at_once() -> list[dict[str, tuple[str, str]]]:
    """Return the rows as few starts: in each, a variable is wrong in one way at most."""
    starts: list[dict[str, tuple[str, str]]] = []
    for name, value, said in WRONG:
        start = next((start for start in starts if name not in start), None)
        if start is None:
            start = {}
            starts.append(start)
        start[name] = (value, said)
    return starts


@pytest.mark.parametrize("wrong", at_once())
def test_a_variable_that_is_wrong_is_named_with_what_it_has_to_be(
    wrong: dict[str, tuple[str, str]],
) -> None:
    values = {name: value for name, (value, _said) in wrong.items()}

    told = {line.split()[0]: line for line in sentences(run("manage.py", "serve", **values))}

    assert told.keys() == wrong.keys()
    for name, (_value, said) in wrong.items():
        assert told[name].startswith(f"{name} {said}")
        assert ": it has to be " in told[name]


def test_all_that_is_missing_is_told_at_once() -> None:
    told = sentences(run("manage.py", "serve", **dict.fromkeys(REQUIRED)))

    assert [line.partition(" is not set, and neither is ")[0] for line in told] == [*REQUIRED]


PARTNER = {
    "OIDC_FURTHER": "partner",
    "OIDC_PARTNER_LABEL": "Partner",
    "OIDC_PARTNER_ISSUER": "https://login.partner.example/tenant",
    "OIDC_PARTNER_CLIENT_ID": "portal",
    "OIDC_PARTNER_CLIENT_SECRET": PRIVATE,
}
SAYS_PROVIDERS = """
from portal import settings
[further] = settings.OIDC_FURTHER
policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
print(further.scopes == settings.OIDC_RP_SCOPES, policy["form-action"])
"""


@pytest.mark.parametrize("missing", [name for name in PARTNER if name != "OIDC_FURTHER"])
def test_a_further_identity_provider_is_told_what_it_lacks(missing: str) -> None:
    told = sentences(run("manage.py", "serve", **{**PARTNER, missing: None}))

    assert [line.partition(" is not set")[0] for line in told] == [missing]


def test_a_form_may_lead_to_every_identity_provider() -> None:
    ended = run("-c", SAYS_PROVIDERS, **PARTNER)

    issuer = RIGHT["OIDC_ISSUER"]
    assert ended.stdout.strip() == (
        f"True [\"'self'\", '{issuer}', 'https://login.partner.example']"
    )


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["manage.py", "migrate"], id="migrate"),
        pytest.param(["manage.py", "collectstatic", "--no-input"], id="collectstatic"),
        pytest.param(["-m", "celery", "--app", "portal", "worker"], id="worker"),
        pytest.param(["-m", "celery", "--app", "portal", "beat"], id="beat"),
        pytest.param(["-c", "import portal.asgi"], id="another ASGI server"),
    ],
)
def test_every_process_of_the_site_says_the_same(argv: list[str]) -> None:
    told = sentences(run(*argv, SECRET_KEY=PRIVATE, DAIKO_LANGUAGE="de", PORT="abc"))

    assert [line.split()[0] for line in told] == ["SECRET_KEY", "DAIKO_LANGUAGE", "PORT"]


def test_a_file_that_is_missing_closed_or_no_text_is_told_by_the_name_of_its_variable(
    tmp_path: Path,
) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    told = sentences(
        run(
            *("manage.py", "serve"),
            **{"SECRET_KEY": None, "SECRET_KEY_FILE": str(tmp_path / "nothing")},
            **{"VAULT_KEYS": None, "VAULT_KEYS_FILE": str(tmp_path)},
            **{"DATABASE_URL": None, "DATABASE_URL_FILE": str(binary)},
        )
    )

    assert [line.partition(": it has to be")[0] for line in told] == [
        "SECRET_KEY cannot be read from SECRET_KEY_FILE (No such file or directory)",
        "VAULT_KEYS cannot be read from VAULT_KEYS_FILE (Is a directory)",
        "DATABASE_URL cannot be read from DATABASE_URL_FILE (it is not UTF-8)",
    ]


def test_a_variable_and_its_file_are_not_both_taken(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(PRIVATE)

    [sentence] = sentences(run("manage.py", "serve", OIDC_CLIENT_SECRET_FILE=str(file)))

    assert sentence.startswith(
        "OIDC_CLIENT_SECRET and OIDC_CLIENT_SECRET_FILE are both set, of which one has to go"
    )


def test_a_secret_from_a_file_loses_the_line_end_that_an_editor_put_there(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" a secret \n")
    told = Environment({"SECRET_FILE": str(file), "SECRET": ""})

    assert told.read("SECRET", text("words")) == " a secret "
    told.refuse_what_is_wrong()


def test_a_list_may_be_empty_though_its_default_is_not() -> None:
    told = Environment({"GROUPS": "", "OTHERS": "a, b,"})

    assert told.read("GROUPS", listed("words"), default="admins") == []
    assert told.read("OTHERS", listed("words")) == ["a", "b"]


def test_what_was_wrong_is_refused_and_not_forgotten() -> None:
    told = Environment({})
    told.read("ONE", text("a word"))
    told.read("TWO", text("another"), default="a default")

    with pytest.raises(Misconfigured, match=r"^ONE is not set, and neither is ONE_FILE: .*\.$"):
        told.refuse_what_is_wrong()


def test_engines_that_do_not_answer_and_a_port_that_is_taken_are_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        told = sentences(run("manage.py", "serve", PORT=port))

    assert [line.partition(" (")[0] for line in told] == [
        "DATABASE_URL names a database that cannot be reached",
        "REDIS_URL names a Redis that cannot be reached",
        f"HOST and PORT name an address where nothing can be served, 127.0.0.1 port {port}",
    ]
    assert ["refused" in line for line in told] == [True, True, False]
    assert told[2].endswith(
        "(Address already in use): name another one, or stop what listens there."
    )


def test_a_command_that_needs_the_database_says_that_there_is_none() -> None:
    [*_, sentence] = sentences(run("manage.py", "migrate"))

    assert sentence.startswith("DATABASE_URL names a database that cannot be reached (")


def test_a_database_without_todays_tables_is_told_with_the_command_to_run() -> None:
    engines = {
        "REDIS_URL": settings.REDIS_URL,
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        # Of this machine too, and nobody else's.
        "HOST": "127.73.0.1",
    }
    with own_database("empty") as url:
        [sentence] = sentences(run("manage.py", "serve", DATABASE_URL=url, **engines))

    assert sentence.startswith("DATABASE_URL names a database that lacks ")
    assert sentence.endswith(" migrations: run `python manage.py migrate` first.")
