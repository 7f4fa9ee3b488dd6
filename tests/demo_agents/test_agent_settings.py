import asyncio
import json
import sys
from pathlib import Path

import pytest
from strands import Agent
from strands.models import Model
from strands.models.bedrock import BedrockModel

from demo.agents import settings
from demo.agents.greeter_script import SCRIPT
from demo.agents.scripted import ScriptedModel
from tests.demo_agents.stand_ins import StandIn, openai_stream


def scripted() -> Model:
    return ScriptedModel(SCRIPT, today=lambda: pytest.fail("not asked"), delay_s=0)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEMO_MODEL", "PORT", "DEMO_WORD_DELAY_S", "AWS_PROFILE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("value", [None, ""])
def test_the_model_is_scripted_by_default(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("DEMO_MODEL", value)

    assert isinstance(settings.chosen_model(scripted), ScriptedModel)


@pytest.mark.parametrize(
    "value",
    [
        "gpt-5",
        "bedrock",
        "bedrock:",
        "openai:gpt-5",
        "openai:@http://localhost",
        "openai:gpt-5@",
        "ollama:qwen",
        "claude:opus@http://localhost",
    ],
)
def test_it_refuses_a_model_that_it_does_not_understand(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_MODEL", value)

    with pytest.raises(SystemExit, match=r"DEMO_MODEL is .* must be bedrock:<model id>, openai:"):
        settings.chosen_model(scripted)


def test_bedrock_is_not_called_with_the_key_of_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_MODEL", "bedrock:anthropic.claude-x:0")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-agents-key")
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)

    with pytest.raises(SystemExit, match="needs AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK"):
        settings.chosen_model(scripted)


def test_bedrock_signs_with_the_credentials_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[lab]\naws_access_key_id = of-aws\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-agents-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-agents-secret")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setenv("DEMO_MODEL", "bedrock:anthropic.claude-x:0")

    model = settings.chosen_model(scripted)

    assert isinstance(model, BedrockModel)
    assert model.get_config()["model_id"] == "anthropic.claude-x:0"
    assert model.client._request_signer._credentials.access_key == "of-aws"


def test_an_openai_compatible_server_is_really_asked(
    monkeypatch: pytest.MonkeyPatch, acme: StandIn
) -> None:
    acme.reply(openai_stream({"role": "assistant", "content": "Hello from afar."}, finish="stop"))
    monkeypatch.setenv("DEMO_MODEL", f"openai:@lab/small@{acme.url}/v1")

    agent = Agent(model=settings.chosen_model(scripted), callback_handler=None)
    answer = str(asyncio.run(agent.invoke_async("hello")))

    assert answer.strip() == "Hello from afar."
    assert acme.requests[0].path == "/v1/chat/completions"
    assert acme.requests[0].body["model"] == "@lab/small"


def test_ollama_is_really_asked(monkeypatch: pytest.MonkeyPatch, acme: StandIn) -> None:
    part = {"model": "qwen", "created_at": "2026-11-22T00:00:00Z", "done": True}
    message = {"role": "assistant", "content": "Hello from next door."}
    counts = {"eval_count": 1, "prompt_eval_count": 1, "total_duration": 1, "done_reason": "stop"}
    acme.reply(json.dumps(part | counts | {"message": message}).encode() + b"\n")
    monkeypatch.setenv("DEMO_MODEL", f"ollama:qwen@{acme.url}")

    agent = Agent(model=settings.chosen_model(scripted), callback_handler=None)
    answer = str(asyncio.run(agent.invoke_async("hello")))

    assert answer.strip() == "Hello from next door."
    assert (acme.requests[0].path, acme.requests[0].body["model"]) == ("/api/chat", "qwen")


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_MODEL", "ollama:qwen@http://localhost:11434")
    monkeypatch.setitem(sys.modules, "ollama", None)
    monkeypatch.delitem(sys.modules, "strands.models.ollama", raising=False)

    with pytest.raises(SystemExit, match=r"not installed \(ollama\): pip install 'strands-agents"):
        settings.chosen_model(scripted)


@pytest.mark.parametrize("value", ["", "0", "65536", "-1", "eighty", "٨٠"])
def test_it_refuses_a_port_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", value)

    with pytest.raises(SystemExit, match="PORT is"):
        settings.port()


def test_the_port_is_the_one_that_agentcore_expects_by_default() -> None:
    assert settings.port() == 8080


@pytest.mark.parametrize("value", ["-1", "2", "nan", "slow"])
def test_it_refuses_a_delay_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_WORD_DELAY_S", value)

    with pytest.raises(SystemExit, match="DEMO_WORD_DELAY_S is"):
        settings.word_delay_s()


def test_it_refuses_to_go_on_without_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_URL", "")

    with pytest.raises(SystemExit, match=r"ACME_URL is not set\."):
        settings.required("ACME_URL")
