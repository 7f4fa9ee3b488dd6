"""`manage.py setup_cognito`: a Cognito user pool to try an agent's authorizer with."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agents.aws import cognito
from agents.aws.cognito import Pool, SetUp
from core.errors import AppError
from core.secret import Secret

PASSWORD_VARIABLE = "COGNITO_PASSWORD"  # noqa: S105  (a name)


class Command(BaseCommand):
    """Makes a user pool, an app client and a user, or finds them again, and tells of them."""

    help = (
        "Make a Cognito user pool with an app client and a user, or find those that an earlier run "
        "made, and print the discovery URL, the client id and an access token. Credentials come as "
        "AWS's own tools find them. The user's password is taken from COGNITO_PASSWORD or, with "
        "--password-stdin, from the standard input; a new user without one gets a random one, "
        "printed once."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take names, where the password comes from, and whether to delete all of it."""
        parser.add_argument("--name", default="daiko", help="of pool and client (daiko)")
        parser.add_argument("--username", default="testuser", help="of the user (testuser)")
        parser.add_argument("--region", help="the AWS region (AWS_REGION)")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the user's password, one line"
        )
        parser.add_argument(
            "--new-password", action="store_true", help="replace the password of a user who exists"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--delete", action="store_true", help="delete pool, client and user")
        parser.add_argument("--yes", action="store_true", help="delete without asking")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up or delete, and say in a few lines what there is."""
        region = options["region"] or settings.AWS_REGION
        try:
            if options["delete"]:
                self._delete(region, options["name"], options["yes"], as_json=options["json"])
                return
            found = cognito.set_up(
                region=region,
                name=options["name"],
                username=options["username"],
                password=_password(from_stdin=options["password_stdin"]),
                replace_password=options["new_password"],
            )
        except AppError as exc:
            raise CommandError(str(exc.message)) from None
        self.stdout.write(_as_json(found) if options["json"] else _in_words(found))
        if found.access_token is None:
            self.stderr.write(
                f"For an access token, say the password in {PASSWORD_VARIABLE} or with "
                "--password-stdin; --new-password makes another one."
            )

    def _delete(self, region: str, name: str, is_sure: bool, *, as_json: bool) -> None:
        pool = cognito.pool_found(region=region, name=name)
        if pool is not None and not is_sure and not self._confirms(pool, name):
            raise CommandError("Nothing was deleted.")
        if pool is not None:
            cognito.pool_delete(pool)
        if as_json:
            self.stdout.write(json.dumps({"deleted": pool.pool_id if pool else None}))
        elif pool is None:
            self.stdout.write(f"There is no user pool “{name}” in {region}.")
        else:
            self.stdout.write(f"Deleted the user pool “{name}” ({pool.pool_id}).")

    def _confirms(self, pool: Pool, name: str) -> bool:
        users = f"about {pool.users} users" if pool.users != 1 else "its one user"
        self.stderr.write(
            f"This deletes the user pool “{name}” ({pool.pool_id}) with its client and {users}."
        )
        self.stderr.write("Type the name of the pool to go on: ", ending="")
        return sys.stdin.readline().strip() == name


def _password(*, from_stdin: bool) -> Secret | None:
    given = sys.stdin.readline().rstrip("\r\n") if from_stdin else os.environ.get(PASSWORD_VARIABLE)
    if from_stdin and not given:
        raise CommandError("There is no password on the standard input.")
    return Secret(given) if given else None


def _as_json(found: SetUp) -> str:
    told: dict[str, Any] = {
        "region": found.pool.region,
        "user_pool_id": found.pool.pool_id,
        "discovery_url": found.pool.discovery_url,
        "client_id": found.client_id,
        "username": found.username,
        "made": list(found.made),
    }
    if found.new_password is not None:
        told["password"] = found.new_password.reveal()
    if found.access_token is not None:
        told["access_token"] = found.access_token.reveal()
        told["expires_in"] = found.expires_in_s
    return json.dumps(told, indent=2)


def _in_words(found: SetUp) -> str:
    lines = [
        ("User pool", found.pool.pool_id),
        ("Discovery URL", found.pool.discovery_url),
        ("Client id", found.client_id),
        ("User", found.username),
    ]
    if found.new_password is not None:
        lines.append(("Password", f"{found.new_password.reveal()}  (kept nowhere; note it down)"))
    if found.access_token is not None:
        lines.append(("Access token", found.access_token.reveal()))
    made = ", ".join(found.made)
    said = f"Made: {made}." if made else "Everything was there; nothing was changed."
    return "\n".join([*(f"{name + ':':15}{value}" for name, value in lines), said])
