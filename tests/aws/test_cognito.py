"""`setup_cognito` against AWS's stand-in, and the authorizer against the tokens that it prints."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents import authorizer
from agents.authorizer import Authorizer, TokenRefused
from agents.aws import cognito
from agents.aws.errors import AwsRefused
from core import http
from core.secret import Secret
from tests.fixtures.aws import REGION, Aws

PASSWORD = "Correct-Horse-7-Battery"


def run(*arguments: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    call_command("setup_cognito", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def pools(aws: Aws) -> list[str]:
    listed = aws.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    return [pool["Id"] for pool in listed]


def state(aws: Aws, pool_id: str) -> dict[str, Any]:
    client = aws.client("cognito-idp")
    user = client.admin_get_user(UserPoolId=pool_id, Username="testuser")
    return {
        "pool": client.describe_user_pool(UserPoolId=pool_id)["UserPool"],
        "clients": client.list_user_pool_clients(UserPoolId=pool_id)["UserPoolClients"],
        "users": client.list_users(UserPoolId=pool_id)["Users"],
        "user": {name: user[name] for name in ("Username", "UserStatus", "UserLastModifiedDate")},
    }


def test_it_makes_a_pool_a_client_and_a_user_and_prints_what_an_agent_needs(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = run("--json", monkeypatch=monkeypatch)

    told = json.loads(out)
    (pool,) = pools(aws)
    assert told["user_pool_id"] == pool
    assert told["discovery_url"] == (
        f"https://cognito-idp.{REGION}.amazonaws.com/{pool}/.well-known/openid-configuration"
    )
    assert told["made"] == ["user pool", "app client", "user"]
    assert len(told["password"]) >= 12
    assert told["expires_in"] > 0
    assert told["access_token"].count(".") == 2
    made = state(aws, pool)
    assert made["pool"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert made["user"]["UserStatus"] == "CONFIRMED"


def test_a_second_run_changes_nothing_and_prints_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGNITO_PASSWORD", PASSWORD)
    first = json.loads(run("--json", monkeypatch=monkeypatch)[0])
    before = state(aws, first["user_pool_id"])

    second = json.loads(run("--json", monkeypatch=monkeypatch)[0])

    assert state(aws, first["user_pool_id"]) == before
    assert second["made"] == []
    for name in ("user_pool_id", "discovery_url", "client_id", "username"):
        assert second[name] == first[name]
    assert second["access_token"]
    assert "password" not in first | second
    assert "Everything was there" in run(monkeypatch=monkeypatch)[0]


def test_a_generated_password_is_printed_once(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    first = json.loads(run("--json", monkeypatch=monkeypatch)[0])

    out, err = run("--json", monkeypatch=monkeypatch)

    assert not {"password", "access_token"} & set(json.loads(out))
    assert "COGNITO_PASSWORD" in err
    again, _ = run(
        "--json", "--password-stdin", stdin=first["password"] + "\n", monkeypatch=monkeypatch
    )
    assert json.loads(again)["access_token"]


def test_a_wrong_password_is_refused_and_may_be_replaced(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    cognito.set_up(region=REGION, name="daiko", username="testuser", password=Secret(PASSWORD))
    monkeypatch.setenv("COGNITO_PASSWORD", PASSWORD + "x")

    with pytest.raises(CommandError, match="does not take this password") as caught:
        run(monkeypatch=monkeypatch)

    assert PASSWORD not in str(caught.value)
    out, _ = run("--json", "--new-password", monkeypatch=monkeypatch)
    assert json.loads(out)["access_token"]


def test_a_user_whom_a_broken_off_run_left_without_a_password_gets_one(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(run("--json", monkeypatch=monkeypatch)[0])
    pool, client = first["user_pool_id"], aws.client("cognito-idp")
    client.admin_delete_user(UserPoolId=pool, Username="testuser")
    client.admin_create_user(UserPoolId=pool, Username="testuser", MessageAction="SUPPRESS")

    out, _ = run("--json", monkeypatch=monkeypatch)

    assert json.loads(out)["made"] == []
    assert json.loads(out)["password"]
    assert json.loads(out)["access_token"]


def test_a_password_that_the_policy_refuses_is_told_of_and_not_shown(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="InvalidPasswordException") as caught:
        run("--password-stdin", stdin="weak-pass\n", monkeypatch=monkeypatch)

    assert "weak-pass" not in str(caught.value)


def test_a_pool_that_it_did_not_make_is_neither_used_nor_deleted(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client("cognito-idp").create_user_pool(PoolName="daiko")

    for arguments in ([], ["--delete", "--yes"]):
        with pytest.raises(CommandError, match="did not make"):
            run(*arguments, monkeypatch=monkeypatch)

    assert len(pools(aws)) == 1
    assert (
        aws.client("cognito-idp").list_user_pool_clients(UserPoolId=pools(aws)[0])[
            "UserPoolClients"
        ]
        == []
    )


def test_two_pools_of_one_name_are_told_of(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        aws.client("cognito-idp").create_user_pool(
            PoolName="daiko", UserPoolTags=dict([cognito.TAG])
        )

    with pytest.raises(CommandError, match="several user pools"):
        run("--delete", "--yes", monkeypatch=monkeypatch)

    assert len(pools(aws)) == 2


def test_it_is_deleted_once_the_name_is_typed(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch=monkeypatch)
    aws.client("cognito-idp").create_user_pool(PoolName="another")

    for answer in ("", "yes\n"):
        with pytest.raises(CommandError, match="Nothing was deleted"):
            run("--delete", stdin=answer, monkeypatch=monkeypatch)
    assert len(pools(aws)) == 2
    out, err = run("--delete", stdin="daiko\n", monkeypatch=monkeypatch)

    assert "Deleted the user pool “daiko”" in out
    assert "its one user" in err
    assert len(pools(aws)) == 1
    assert "There is no user pool" in run("--delete", "--yes", monkeypatch=monkeypatch)[0]


def test_pools_beyond_the_first_page_are_found_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = aws.client("cognito-idp")
    for number in range(61):
        client.create_user_pool(PoolName=f"other{number}")
    first = json.loads(run("--json", monkeypatch=monkeypatch)[0])

    assert json.loads(run("--json", monkeypatch=monkeypatch)[0])["client_id"] == first["client_id"]


@pytest.mark.usefixtures("aws", "no_credentials")
def test_without_credentials_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="AWS_ACCESS_KEY_ID"):
        run(monkeypatch=monkeypatch)


@pytest.mark.usefixtures("aws")
def test_what_is_no_region_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="no region of AWS"):
        run("--region", "evil.example/#", monkeypatch=monkeypatch)


@pytest.mark.usefixtures("aws")
def test_an_aws_that_is_away_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:9")

    with pytest.raises(CommandError, match="does not answer"):
        run(monkeypatch=monkeypatch)


def test_the_authorizer_lets_the_pools_token_in(aws: Aws, cognito_over_https: None) -> None:
    made = cognito.set_up(region=REGION, name="daiko", username="testuser")
    assert made.access_token is not None
    rule = Authorizer(made.pool.discovery_url, allowed_clients=frozenset({made.client_id}))

    verified = http.run(authorizer.verify(made.access_token.reveal(), rule))

    assert verified.subject.iss == made.pool.issuer
    assert verified.subject.sub
    assert verified.client_id == made.client_id


def test_the_authorizer_refuses_the_token_of_another_client_and_of_another_pool(
    aws: Aws, cognito_over_https: None
) -> None:
    made = cognito.set_up(region=REGION, name="daiko", username="testuser")
    other = cognito.set_up(region=REGION, name="other", username="testuser")
    assert made.access_token is not None
    token = made.access_token.reveal()

    for rule in (
        Authorizer(made.pool.discovery_url, allowed_clients=frozenset({other.client_id})),
        Authorizer(other.pool.discovery_url, allowed_clients=frozenset({made.client_id})),
    ):
        with pytest.raises(TokenRefused, match=r"client_mismatch|issuer_mismatch"):
            http.run(authorizer.verify(token, rule))


def test_a_refusal_of_aws_is_told_in_its_own_words(aws: Aws) -> None:
    with pytest.raises(AwsRefused) as caught:
        cognito.pool_delete(cognito.Pool(REGION, f"{REGION}_nobody", 0))

    assert "DeleteUserPool" in str(caught.value.message)
    assert caught.value.because == "ResourceNotFoundException"
