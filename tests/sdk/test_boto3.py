"""boto3 reads a demo agent's answer while it streams, as an operator, in a person's name."""

from __future__ import annotations

import json

import boto3

from tests.fixtures.world import World


def test_a_demo_agents_stream_is_read_event_by_event(
    world: World, operator: dict[str, str]
) -> None:
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=world.url,
        region_name=operator["AWS_REGION"],
        aws_access_key_id=operator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=operator["AWS_SECRET_ACCESS_KEY"],
    )

    answer = client.invoke_agent_runtime(
        agentRuntimeArn=world.agent("greeter")["arn"],
        qualifier="programs",
        payload=json.dumps({"prompt": "Hello, who are you?"}).encode(),
        runtimeUserId="customer-7",
    )
    events = [
        json.loads(line.removeprefix(b"data: ")) for line in answer["response"].iter_lines() if line
    ]

    assert answer["contentType"].startswith("text/event-stream")
    assert len(events) > 3
    assert {"event": {"messageStop": {"stopReason": "end_turn"}}} in events
    assert "customer-7" in json.dumps(events)
