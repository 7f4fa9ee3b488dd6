"""What the sites refuse to start with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from demo.sitekit.environment import (
    at_least,
    database,
    generated_secret,
    passwords,
    port_of,
    site_url,
)
from demo.sitekit.settings import content_security_policy


@pytest.mark.parametrize(
    "url",
    [
        "https://demo.example",
        "http://0.0.0.0:8001",
        "http://192.168.1.4:8001",
        "ftp://localhost",
        "localhost:8001",
        "http://localhost:8001/idp",
        "http://localhost:8001?x=1",
        "http://localhost@localhost:8001",
        "",
    ],
)
def test_a_site_is_on_this_machine_and_at_its_root(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="IDP_URL"):
        site_url("IDP_URL", url)


def test_a_site_url_loses_its_slash_and_keeps_its_port() -> None:
    assert site_url("IDP_URL", "http://localhost:8001/") == "http://localhost:8001"
    assert port_of("http://localhost:8001") == 8001
    assert port_of("https://localhost") == 443


def test_a_secret_that_somebody_thought_of_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="at least 32") as caught:
        generated_secret("IDP_CLIENT_SECRET", "correct horse")
    assert "correct horse" not in str(caught.value)


def test_a_lifetime_of_nothing_is_refused() -> None:
    assert at_least(1, "IDP_ACCESS_TOKEN_S", 1) == 1
    with pytest.raises(ImproperlyConfigured, match="IDP_ACCESS_TOKEN_S must be at least 1"):
        at_least(1, "IDP_ACCESS_TOKEN_S", 0)


def test_a_database_behind_a_socket_is_understood() -> None:
    found = database("IDP_DATABASE_URL", "postgresql://idp@/idp_1?host=%2Frun%2Fpg&port=5433")

    assert (found["NAME"], found["USER"], found["HOST"], found["PORT"]) == (
        *("idp_1", "idp", "/run/pg", "5433"),
    )
    assert found["OPTIONS"] == {}


def test_a_database_over_the_network_keeps_its_options() -> None:
    found = database("X", "postgresql://u:p%40ss@db.example:6432/idp?sslmode=verify-full")

    assert (found["PASSWORD"], found["HOST"]) == ("p@ss", "db.example")
    assert found["OPTIONS"] == {"sslmode": "verify-full"}


@pytest.mark.parametrize("url", ["sqlite:///x", "postgresql://u@/", "dbname=idp"])
def test_another_engine_or_no_name_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="IDP_DATABASE_URL"):
        database("IDP_DATABASE_URL", url)


def test_somebody_without_a_password_is_named(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    file.write_text(json.dumps({"alice": "a-password", "bob": ""}))

    with pytest.raises(ImproperlyConfigured, match="no password for bob, charlie") as caught:
        passwords("IDP_PASSWORDS_FILE", str(file), people=("alice", "bob", "charlie"))
    assert "a-password" not in str(caught.value)


def test_a_policy_lists_the_origins_that_a_form_ends_at_once_each() -> None:
    uris = ["http://localhost:8000/a", "http://localhost:8000/b", "https://c.example/d"]

    directives = content_security_policy(leaves_for=uris)["DIRECTIVES"]

    assert directives["form-action"] == ["'self'", "http://localhost:8000", "https://c.example"]
