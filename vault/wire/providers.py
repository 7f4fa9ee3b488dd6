"""What both kinds of credential provider have in common in the wire API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError

from agents.arns import as_modelled, secret_arn
from agents.wire.calls import WireCall
from core.errors import invalid
from core.secret import Secret
from vault.errors import ProviderExists, ProviderUnknown
from vault.models import ApiKeyProvider, CredentialProvider
from vault.models.kept_secret import SecretReference, SecretSource

_Provider = TypeVar("_Provider", ApiKeyProvider, CredentialProvider)
# What the model lets an ARN of Secrets Manager be; a bare name is given the rest of it.
_SECRET_ID = re.compile(
    r"(arn:(aws|aws-us-gov):secretsmanager:[A-Za-z0-9-]{1,64}:[0-9]{12}:secret:)?"
    r"[a-zA-Z0-9_/+=.@!-]+"
)


@dataclass(frozen=True, slots=True)
class SecretNames:
    """What the members are called that tell of one kind of secret."""

    value: str
    about: str  # the stem of `…Config`, `…Source`, `…Arn` and `…JsonKey`
    folder: str  # of the name that a managed one has in its ARN


@contextmanager
def created_once(call: WireCall, kind: type[ApiKeyProvider | CredentialProvider]) -> Iterator[None]:
    """Let the block create the provider that `call` names.

    Raises:
        ProviderExists: there is one of this name.
    """
    if kind._default_manager.filter(name=call.input["name"]).exists():
        raise ProviderExists
    try:
        yield
    except IntegrityError:  # another call was faster
        raise ProviderExists from None


def is_open_to_all() -> bool:
    """Say whether any workload identity may use a provider that is created over the wire."""
    return bool(settings.DAIKO_OPEN_PROVIDERS)


def named(call: WireCall, kind: type[_Provider]) -> _Provider:
    """Return the provider that `call` names. Raises ProviderUnknown."""
    found = kind._default_manager.filter(name=call.input["name"]).first()
    if found is None:
        raise ProviderUnknown
    return found


def secret_given(
    asked: Mapping[str, Any], names: SecretNames, *, within: str = ""
) -> Secret | SecretReference | None:
    """Return the secret, or where it is kept; None where the caller gives neither.

    `within` is the path of the structure whose members `asked` are.

    Raises:
        InvalidRequest: the members contradict one another, or the secret's id cannot be one.
    """
    value: Secret | None = asked.get(names.value)
    if value == Secret(""):  # as the model lets tools send what they do not have
        value = None
    config = asked.get(f"{names.about}Config")
    if asked.get(f"{names.about}Source") != SecretSource.EXTERNAL:
        if config is not None:
            raise invalid(
                f"{within}{names.about}Source",
                f"With {names.about}Config, {names.about}Source has to be EXTERNAL.",
            )
        return value
    if value is not None:
        raise invalid(
            f"{within}{names.value}",
            f"{names.about}Source is EXTERNAL: the value stays in AWS Secrets Manager.",
        )
    if config is None:
        raise invalid(
            f"{within}{names.about}Config",
            f"{names.about}Source is EXTERNAL: say in which secret of AWS Secrets Manager.",
        )
    if not _SECRET_ID.fullmatch(config["secretId"]):
        raise invalid(
            f"{within}{names.about}Config.secretId",
            "It is neither the name of a secret in AWS Secrets Manager nor its ARN.",
        )
    return SecretReference(config["secretId"], config["jsonKey"])


def told(
    provider: ApiKeyProvider | CredentialProvider, names: SecretNames, *, arn: str
) -> dict[str, Any]:
    """Return what every answer tells of a provider; of its secret, only where it is."""
    is_external = provider.secret_source == SecretSource.EXTERNAL
    managed_id = f"bedrock-agentcore-identity!default/{names.folder}/{provider.name}"
    secret_id = provider.external_secret_id if is_external else managed_id
    return {
        "name": provider.name,
        "credentialProviderArn": as_modelled(arn),
        f"{names.about}Arn": {"secretArn": secret_arn(secret_id)},
        f"{names.about}Source": provider.secret_source,
        f"{names.about}JsonKey": provider.external_json_key or None,
    }


def listed(provider: ApiKeyProvider | CredentialProvider, *, arn: str) -> dict[str, Any]:
    """Return what a list tells of a provider."""
    return {
        "name": provider.name,
        "credentialProviderArn": as_modelled(arn),
        **times(provider),
    }


def times(provider: ApiKeyProvider | CredentialProvider) -> dict[str, Any]:
    """Return when the provider was created and changed."""
    return {"createdTime": provider.created_at, "lastUpdatedTime": provider.updated_at}
