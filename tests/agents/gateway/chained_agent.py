"""An agent in a process of its own, by AWS's SDK, that calls other agents as it is told.

It is told by its payload: `call`, the ARNs to go through, the first one first and round again as
often as `rounds` says; `wat` and `bearer`, credentials to show instead of its own. It answers what
it was told by whom it called, and notes each call of it in the file `JOURNAL`.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bedrock_agentcore import BedrockAgentCoreApp
from bedrock_agentcore.runtime import AgentCoreRuntimeClient, BedrockAgentCoreContext
from botocore.exceptions import ClientError

SITE = os.environ["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"]
app = BedrockAgentCoreApp()
client = AgentCoreRuntimeClient(os.environ["AWS_REGION"])


def by_key(arn: str, payload: bytes) -> Any:
    """Call an agent with this one's key; the SDK shows the token of this call."""
    try:
        answer = client.invoke_agent_runtime(agentRuntimeArn=arn, payload=payload)
        return json.loads(answer["response"].read())
    except ClientError as error:
        said = error.response["Error"]
        return {"refused": said["Message"], "code": said["Code"]}


def by_token(arn: str, payload: bytes, bearer: str) -> Any:
    """Call an agent with a person's token, showing the token of this call by hand."""
    headers = {
        "Authorization": f"Bearer {bearer}",
        "Content-Type": "application/json",
        "X-Amz-Bedrock-AgentCore-Identity-WAT": BedrockAgentCoreContext.get_workload_access_token()
        or "",
    }
    url = f"{SITE}/runtimes/{quote(arn, safe='')}/invocations"
    request = urllib.request.Request(url, payload, headers)  # noqa: S310  (the test's own site)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return {"refused": json.load(error)["message"], "code": error.code}


@app.entrypoint
def invoke(payload: dict[str, Any]) -> dict[str, Any]:
    with Path(os.environ["JOURNAL"]).open("a") as journal:
        journal.write("called\n")
    own = BedrockAgentCoreContext.get_workload_access_token()
    arns = payload.get("call", [])
    if not arns:
        return {"wat": own}
    if "wat" in payload:
        BedrockAgentCoreContext.set_workload_access_token(payload["wat"])
    first, *others = arns
    told = {"call": [*others, first] if payload.get("round") else others}
    rest = json.dumps({**told, "round": payload.get("round", False)}).encode()
    bearer = payload.get("bearer")
    called = by_token(first, rest, bearer) if bearer else by_key(first, rest)
    return {"wat": own, "called": called}


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), host="127.0.0.1")
