"""What an agent is told by its environment. A wrong value ends the start with one sentence."""

import importlib
import os
from collections.abc import Callable
from typing import Any

import boto3
from strands.models import Model

PORT_DEFAULT = 8080
_MAX_PORT = 65535
_WORD_DELAY_S_DEFAULT = 0.03


def aws_defaults() -> None:
    """Set what the AWS clients of this process should do; call it before the first is made.

    Connect timeouts and retries that suit a service next door, where boto3's own would hold a chat
    for minutes; and, as AgentCore does in its containers, that an invocation without a workload
    access token is refused. Without that the SDK takes it for local development, and invents a
    workload identity and a user, kept in a file.
    """
    os.environ.setdefault("AWS_DEFAULTS_MODE", "in-region")
    os.environ.setdefault("DOCKER_CONTAINER", "1")


def required(name: str) -> str:
    """Return the variable `name`.

    Raises:
        SystemExit: it is not set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} is not set.")
    return value


def port() -> int:
    """Return `PORT`, or the port that AgentCore expects.

    Raises:
        SystemExit: it is not the number of a port.
    """
    value = os.environ.get("PORT", str(PORT_DEFAULT))
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= _MAX_PORT):
        raise SystemExit(f"PORT is {value!r}; it must be a number from 1 to {_MAX_PORT}.")
    return int(value)


def word_delay_s() -> float:
    """Return `DEMO_WORD_DELAY_S`, the scripted model's pause between words.

    Raises:
        SystemExit: it is not a number of seconds.
    """
    value = os.environ.get("DEMO_WORD_DELAY_S", str(_WORD_DELAY_S_DEFAULT))
    try:
        delay_s = float(value)
    except ValueError:
        delay_s = -1.0
    if not 0 <= delay_s <= 1:
        raise SystemExit(f"DEMO_WORD_DELAY_S is {value!r}; it must be seconds from 0 to 1.")
    return delay_s


def chosen_model(scripted: Callable[[], Model]) -> Model:
    """Return the model that `DEMO_MODEL` names; `scripted` makes the one for an empty value.

    Raises:
        SystemExit: the value is not understood, or what it needs is missing.
    """
    value = os.environ.get("DEMO_MODEL", "")
    if not value:
        return scripted()
    kind, _, rest = value.partition(":")
    # From the right: the name of a model may hold an "@", its address does not.
    name, _, address = rest.rpartition("@")
    if kind == "bedrock" and rest:
        return _bedrock(rest)
    if kind == "openai" and name and address:
        # A server of one's own often wants no key, but the client wants a value.
        client_args = {"base_url": address, "api_key": os.environ.get("OPENAI_API_KEY", "none")}
        return _optional_model("openai", "OpenAIModel", client_args=client_args, model_id=name)
    if kind == "ollama" and name and address:
        return _optional_model("ollama", "OllamaModel", host=address, model_id=name)
    raise SystemExit(
        f"DEMO_MODEL is {value!r}; it must be bedrock:<model id>, openai:<model>@<base url>, "
        "ollama:<model>@<host>, or empty for the scripted model."
    )


def _bedrock(model_id: str) -> Model:
    """Return a Bedrock model that signs with credentials of AWS.

    AWS_ACCESS_KEY_ID is the agent's key at Daiko, and means nothing to AWS.
    """
    profile = os.environ.get("AWS_PROFILE")
    api_key = os.environ.get("AWS_BEARER_TOKEN_BEDROCK")
    if not profile and not api_key:
        raise SystemExit(
            "DEMO_MODEL=bedrock:… needs AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK: "
            "AWS_ACCESS_KEY_ID is this agent's key at Daiko."
        )
    session = boto3.Session(profile_name=profile) if profile else None
    return _optional_model(
        "bedrock", "BedrockModel", boto_session=session, api_key=api_key, model_id=model_id
    )


def _optional_model(module: str, class_name: str, **arguments: Any) -> Model:
    """Return a Strands model whose package is installed only where it is used."""
    try:
        model_class = getattr(importlib.import_module(f"strands.models.{module}"), class_name)
    except ImportError as exc:
        raise SystemExit(
            f"DEMO_MODEL={module}:… needs a package that is not installed ({exc.name}): "
            f"pip install 'strands-agents[{module}]'."
        ) from None
    model: Model = model_class(**arguments)
    return model
