"""A Cognito user pool with a client and a user, to try an agent's authorizer with.

The pool is known again by its name and by a tag. What this room did not make it neither uses nor
deletes. Nobody can sign up: the pool has the users that an operator gave it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.utils.translation import gettext as _

from agents.aws.errors import AwsRefused, refusal
from core import aws
from core.secret import Secret

TAG = ("daiko", "setup_cognito")
_PAGE = 60
_CONFIRMED = "CONFIRMED"
_NOT_FOUND, _WRONG_PASSWORD = "UserNotFoundException", "NotAuthorizedException"
_PASSWORD_POLICY = {
    "MinimumLength": 12,
    "RequireUppercase": True,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
}
_FLOWS = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]


class NotOurs(AwsRefused):
    """The pool of this name was made by somebody else, or there are several."""

    code = "pool_not_ours"

    def __init__(self, message: str) -> None:
        super().__init__(message, because="not ours")


@dataclass(frozen=True, slots=True)
class Pool:
    """A user pool that this room made."""

    region: str
    pool_id: str
    users: int  # about how many it has

    @property
    def issuer(self) -> str:
        """Return the `iss` of the pool's tokens."""
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://cognito-idp.{self.region}.{suffix}/{self.pool_id}"

    @property
    def discovery_url(self) -> str:
        """Return where the pool publishes its metadata."""
        return f"{self.issuer}/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class SetUp:
    """What there is now: enough to fill in an agent's authorizer and to call the agent."""

    pool: Pool
    client_id: str
    username: str
    made: tuple[str, ...]  # what was not there before, by kind
    new_password: Secret | None  # made here, and kept nowhere
    access_token: Secret | None  # None: nobody said the password
    expires_in_s: int


def set_up(
    *,
    region: str,
    name: str,
    username: str,
    password: Secret | None = None,
    replace_password: bool = False,
) -> SetUp:
    """Return the pool `name` with its client and user, made where they were not there. Asks AWS.

    A user who is made and given no password gets a random one. Of a user who is there the password
    stays, unless it is to be replaced; without it there is no access token.

    Raises:
        AwsRefused: AWS does not do it, or the password is another.
        NotOurs: the pool of this name is somebody else's.
    """
    with _asked():
        client = aws.client_in(region, "cognito-idp")
        pool, made_pool = _pool(client, region, name)
        client_id, made_client = _client(client, pool, name)
        made_user = _ensure_user(client, pool, username)
        sets_password = made_user or replace_password or not _has_password(client, pool, username)
        new_password = None
        if sets_password:
            if password is None:
                password = new_password = _random_password()
            client.admin_set_user_password(
                UserPoolId=pool.pool_id,
                Username=username,
                Password=password.reveal(),
                Permanent=True,
            )
        token, expires_in_s = _token(client, client_id, username, password)
    made = {"user pool": made_pool, "app client": made_client, "user": made_user}
    return SetUp(
        pool=pool,
        client_id=client_id,
        username=username,
        made=tuple(kind for kind, is_new in made.items() if is_new),
        new_password=new_password,
        access_token=token,
        expires_in_s=expires_in_s,
    )


def pool_found(*, region: str, name: str) -> Pool | None:
    """Return the pool that `set_up` made under this name, or None. Raises as `set_up`."""
    with _asked():
        return _find_pool(aws.client_in(region, "cognito-idp"), region, name)


def pool_delete(pool: Pool) -> None:
    """Delete a pool with its clients and users. Raises AwsRefused."""
    with _asked():
        aws.client_in(pool.region, "cognito-idp").delete_user_pool(UserPoolId=pool.pool_id)


@contextmanager
def _asked() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise refusal(exc) from None  # the request's parameters hold the password


def _find_pool(client: Any, region: str, name: str) -> Pool | None:
    pages = client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": _PAGE})
    named = [pool["Id"] for page in pages for pool in page["UserPools"] if pool["Name"] == name]
    described = [client.describe_user_pool(UserPoolId=pool_id)["UserPool"] for pool_id in named]
    key, value = TAG
    ours = [pool for pool in described if pool.get("UserPoolTags", {}).get(key) == value]
    if len(ours) > 1:
        listed = ", ".join(sorted(pool["Id"] for pool in ours))
        raise NotOurs(
            _("There are several user pools “%(name)s” of this command: %(listed)s. Delete one.")
            % {"name": name, "listed": listed}
        )
    if named and not ours:
        raise NotOurs(
            _(
                "There is a user pool “%(name)s” (%(pool)s) that this command did not make. Choose "
                "another name."
            )
            % {"name": name, "pool": named[0]}
        )
    return Pool(region, ours[0]["Id"], ours[0]["EstimatedNumberOfUsers"]) if ours else None


def _pool(client: Any, region: str, name: str) -> tuple[Pool, bool]:
    found = _find_pool(client, region, name)
    if found is not None:
        return found, False
    made = client.create_user_pool(
        PoolName=name,
        Policies={"PasswordPolicy": _PASSWORD_POLICY},
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
        UserPoolTags=dict([TAG]),
    )["UserPool"]
    return Pool(region, made["Id"], 0), True


def _client(client: Any, pool: Pool, name: str) -> tuple[str, bool]:
    pages = client.get_paginator("list_user_pool_clients").paginate(
        UserPoolId=pool.pool_id, PaginationConfig={"PageSize": _PAGE}
    )
    for page in pages:
        for listed in page["UserPoolClients"]:
            if listed["ClientName"] == name:
                return str(listed["ClientId"]), False
    made = client.create_user_pool_client(
        UserPoolId=pool.pool_id,
        ClientName=name,
        GenerateSecret=False,
        ExplicitAuthFlows=_FLOWS,
        PreventUserExistenceErrors="ENABLED",
    )
    return str(made["UserPoolClient"]["ClientId"]), True


def _ensure_user(client: Any, pool: Pool, username: str) -> bool:
    """Make the user where there is none, and say whether there was none."""
    try:
        client.admin_get_user(UserPoolId=pool.pool_id, Username=username)
    except ClientError as exc:
        if aws.error_code(exc) != _NOT_FOUND:
            raise
    else:
        return False
    client.admin_create_user(UserPoolId=pool.pool_id, Username=username, MessageAction="SUPPRESS")
    return True


def _has_password(client: Any, pool: Pool, username: str) -> bool:
    """Say whether a password was ever set: a run that broke off may have left a user without."""
    user = client.admin_get_user(UserPoolId=pool.pool_id, Username=username)
    return bool(user["UserStatus"] == _CONFIRMED)


def _token(
    client: Any, client_id: str, username: str, password: Secret | None
) -> tuple[Secret | None, int]:
    if password is None:
        return None, 0
    try:
        answer = client.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": password.reveal()},
        )
    except ClientError as exc:
        if aws.error_code(exc) != _WRONG_PASSWORD:
            raise
        raise AwsRefused(
            _("Cognito does not take this password for the user “%(user)s”. It can be replaced.")
            % {"user": username},
            because=_WRONG_PASSWORD,
        ) from None
    result = answer.get("AuthenticationResult")
    if result is None:
        asked = answer.get("ChallengeName", "")
        raise AwsRefused(
            _("Cognito asks the user “%(user)s” for more than a password: %(asked)s.")
            % {"user": username, "asked": asked},
            because=asked,
        )
    return Secret(result["AccessToken"]), int(result["ExpiresIn"])


def _random_password() -> Secret:
    """Return a password of 192 random bits that has a character of each kind."""
    return Secret(f"Aa1-{secrets.token_urlsafe(24)}")
