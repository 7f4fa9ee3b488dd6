// An agent's answer, read while it is still being written.
import assert from "node:assert/strict";
import { BedrockAgentCoreClient, InvokeAgentRuntimeCommand } from "@aws-sdk/client-bedrock-agentcore";

const runtimeSessionId = "a-session-of-thirty-three-characters";
const answer = await new BedrockAgentCoreClient().send(
  new InvokeAgentRuntimeCommand({
    agentRuntimeArn: process.env.AGENT_ARN,
    qualifier: "programs",
    runtimeSessionId,
    contentType: "application/json",
    accept: "text/event-stream",
    payload: JSON.stringify({ prompt: "Hello, who are you?" }),
  }),
);
assert.match(answer.contentType, /^text\/event-stream/);
assert.equal(answer.runtimeSessionId, runtimeSessionId);

let [chunks, text] = [0, ""];
for await (const chunk of answer.response) {
  chunks += 1;
  text += Buffer.from(chunk).toString();
}
assert.ok(chunks > 3, `it came in ${chunks} chunks`);
const events = text.trim().split("\n\n").map((line) => JSON.parse(line.replace(/^data: /, "")));
const ends = events.map(({ event }) => event?.messageStop?.stopReason).filter(Boolean);
assert.equal(ends.at(-1), "end_turn");
