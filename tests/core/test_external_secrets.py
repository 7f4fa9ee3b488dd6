import json
from typing import Any

import pytest
from botocore.stub import Stubber

from core import aws as clients
from core import external_secrets
from core.external_secrets import ExternalSecretMissing, ExternalSecretUnavailable, read
from core.secret import Secret
from tests.fixtures.aws import Aws
from tests.fixtures.loopback import QuietHandler, serving

VALUE = "s3cret-5f0c1b"


def keep(there: Aws, name: str, **members: object) -> str:
    """Return the ARN of a new secret."""
    answer = there.client("secretsmanager").create_secret(
        Name=name, SecretString=json.dumps(members)
    )
    return str(answer["ARN"])


def test_it_reads_one_key_of_a_secret_by_its_name_and_by_its_arn(aws: Aws) -> None:
    arn = keep(aws, "acme/client", client_secret=VALUE, other="x")

    assert read("acme/client", "client_secret") == Secret(VALUE)
    assert read(arn, "client_secret") == Secret(VALUE)


def test_a_secret_of_another_region_is_asked_for_there(aws: Aws, settings: Any) -> None:
    arn = keep(aws, "acme", key=VALUE)
    settings.AWS_REGION = "eu-central-1"

    assert read(arn, "key") == Secret(VALUE)
    with pytest.raises(ExternalSecretMissing):
        read("acme", "key")


def test_a_rotated_secret_is_picked_up_when_the_kept_one_is_old(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(aws, "acme", key="old")
    first = read("acme", "key")
    aws.client("secretsmanager").put_secret_value(SecretId="acme", SecretString='{"key": "new"}')

    kept = read("acme", "key")
    monkeypatch.setattr(external_secrets, "KEPT_S", 0.0)

    assert (first, kept, read("acme", "key")) == (Secret("old"), Secret("old"), Secret("new"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"other": "x"}', "no such JSON key"),
        ('{"key": ""}', "no such JSON key"),
        ('{"key": 5}', "no such JSON key"),
        (f'"{VALUE}"', "not a JSON object"),
        (VALUE, "not a JSON object"),
        ("[" * 60_000, "not a JSON object"),
    ],
)
def test_a_secret_of_another_form_is_refused_without_being_repeated(
    text: str,
    why: str,
    aws: Aws,
) -> None:
    aws.client("secretsmanager").create_secret(Name="acme", SecretString=text)

    with pytest.raises(ExternalSecretMissing) as caught:
        read("acme", "key")

    assert why in str(caught.value.message)
    assert VALUE not in f"{caught.value.message}{caught.value.detail}{caught.value.__cause__}"


def test_a_binary_secret_is_refused(aws: Aws) -> None:
    aws.client("secretsmanager").create_secret(Name="acme", SecretBinary=VALUE.encode())

    with pytest.raises(ExternalSecretMissing, match="SecretString"):
        read("acme", "key")


def test_a_secret_that_is_not_there_is_for_an_admin_and_named_in_the_log_alone(
    aws: Aws,
) -> None:
    with pytest.raises(ExternalSecretMissing) as caught:
        read("acme/gone", "key")

    assert "ResourceNotFoundException" in str(caught.value.message)
    assert "acme/gone" in caught.value.detail
    assert "acme/gone" not in str(caught.value.message)


@pytest.mark.parametrize(
    ("code", "status", "refusal"),
    [
        ("AccessDeniedException", 400, ExternalSecretMissing),
        ("DecryptionFailure", 400, ExternalSecretMissing),
        ("ThrottlingException", 400, ExternalSecretUnavailable),
        ("InternalServiceError", 500, ExternalSecretUnavailable),
    ],
)
def test_what_an_admin_must_mend_is_told_from_what_passes(
    code: str,
    status: int,
    refusal: type[Exception],
    aws: Aws,
) -> None:
    client = clients.client("secretsmanager", "acme")
    with Stubber(client) as stubbed:
        for _ in range(2):  # it is asked once more where that may help
            stubbed.add_client_error("get_secret_value", code, http_status_code=status)
        with pytest.raises(refusal):
            read("acme", "key")


def test_an_aws_that_is_away_is_worth_another_try_and_nothing_old_is_used(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(aws, "acme", key=VALUE)
    read("acme", "key")
    with serving(QuietHandler) as url:
        nobody_is_there = url
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", nobody_is_there)
    clients.forget()

    assert read("acme", "key") == Secret(VALUE)
    monkeypatch.setattr(external_secrets, "KEPT_S", 0.0)
    with pytest.raises(ExternalSecretUnavailable) as caught:
        read("acme", "key")
    assert caught.value.status == 503


def test_a_region_that_is_no_part_of_a_host_name_is_refused(aws: Aws) -> None:
    with pytest.raises((ExternalSecretMissing, ExternalSecretUnavailable)):
        read("arn:aws:secretsmanager:evil.example/x:123456789012:secret:acme", "key")


def test_what_is_kept_is_bounded(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_secrets, "_MAX_KEPT", 2)
    for name in ("a", "b", "c"):
        keep(aws, name, key=name)
        read(name, "key")

    assert len(external_secrets._kept) == 1
