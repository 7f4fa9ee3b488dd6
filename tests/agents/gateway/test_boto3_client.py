"""boto3 reads a demo agent's answer while it streams."""

from __future__ import annotations

import json

import boto3

from agents.keys import access_keys
from agents.models import Agent
from tests.agents.conftest import ADMIN, make_agent
from tests.agents.plane import Plane
from tests.demo_agents.processes import running


def test_a_demo_agents_stream_is_read_event_by_event(plane: Plane, agent: Agent) -> None:
    row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=plane.url,
        region_name="us-east-1",
        aws_access_key_id=row.access_key_id,
        aws_secret_access_key=secret.reveal(),
    )

    with running("greeter") as greeter:
        hello = make_agent(
            f"{agent.name}_boto3",
            url=greeter.url,
            auth_mode="SIGV4",
            discovery_url="",
            allowed_clients=(),
        )
        answer = client.invoke_agent_runtime(
            agentRuntimeArn=hello.arn,
            payload=json.dumps({"prompt": "Hello, who are you?"}).encode(),
            runtimeUserId="customer-7",
        )
        lines = [line for line in answer["response"].iter_lines() if line]

    assert answer["contentType"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    assert len(events) > 3
    assert {"event": {"messageStop": {"stopReason": "end_turn"}}} in events
