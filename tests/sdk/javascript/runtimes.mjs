// Agents: registered, pinned, updated, listed in pages, deleted, and refused.
import assert from "node:assert/strict";
import {
  BedrockAgentCoreControlClient,
  ConflictException,
  CreateAgentRuntimeCommand,
  CreateAgentRuntimeEndpointCommand,
  DeleteAgentRuntimeCommand,
  DeleteAgentRuntimeEndpointCommand,
  GetAgentRuntimeCommand,
  GetAgentRuntimeEndpointCommand,
  ResourceNotFoundException,
  TagResourceCommand,
  UpdateAgentRuntimeCommand,
  UpdateAgentRuntimeEndpointCommand,
  ValidationException,
  paginateListAgentRuntimeEndpoints,
  paginateListAgentRuntimeVersions,
  paginateListAgentRuntimes,
} from "@aws-sdk/client-bedrock-agentcore-control";

const control = new BedrockAgentCoreControlClient();
const artifact = (containerUri) => ({ containerConfiguration: { containerUri } });
const recent = (time) => {
  assert.ok(time instanceof Date);
  assert.ok(Math.abs(Date.now() - time) < 60_000);
};
const collected = async (pages, member) => {
  const found = [];
  for await (const page of pages) {
    assert.ok(page[member].length <= 1);
    found.push(...page[member]);
  }
  return found;
};

const said = {
  agentRuntimeArtifact: artifact("https://agents.example/first"),
  roleArn: "arn:aws:iam::000000000000:role/agents",
  description: "Answers what it is asked.",
  authorizerConfiguration: {
    customJWTAuthorizer: {
      discoveryUrl: "https://idp.example/.well-known/openid-configuration",
      allowedClients: ["portal"],
    },
  },
  protocolConfiguration: { serverProtocol: "MCP" },
};

const made = await control.send(
  new CreateAgentRuntimeCommand({ agentRuntimeName: "javascript_one", ...said }),
);
const { agentRuntimeId } = made;
assert.equal(made.status, "READY");
recent(made.createdAt);
assert.match(made.workloadIdentityDetails.workloadIdentityArn, new RegExp(`/${agentRuntimeId}$`));

const updated = await control.send(
  new UpdateAgentRuntimeCommand({
    agentRuntimeId,
    ...said,
    agentRuntimeArtifact: artifact("https://agents.example/second"),
  }),
);
assert.equal(updated.agentRuntimeVersion, "2");
recent(updated.lastUpdatedAt);

const found = await control.send(new GetAgentRuntimeCommand({ agentRuntimeId }));
recent(found.createdAt);
recent(found.lastUpdatedAt);
assert.deepEqual(found.authorizerConfiguration, said.authorizerConfiguration);
assert.equal(found.description, said.description);
const first = await control.send(
  new GetAgentRuntimeCommand({ agentRuntimeId, agentRuntimeVersion: "1" }),
);
assert.deepEqual(first.agentRuntimeArtifact, said.agentRuntimeArtifact);

const live = { agentRuntimeId, endpointName: "live" };
const pinned = await control.send(
  new CreateAgentRuntimeEndpointCommand({ agentRuntimeId, name: "live", agentRuntimeVersion: "1" }),
);
recent(pinned.createdAt);
assert.equal((await control.send(new GetAgentRuntimeEndpointCommand(live))).liveVersion, "1");
const moved = await control.send(
  new UpdateAgentRuntimeEndpointCommand({ ...live, agentRuntimeVersion: "2" }),
);
assert.equal(moved.targetVersion, "2");
recent(moved.lastUpdatedAt);

const asked = { client: control, pageSize: 1 };
const endpoints = await collected(
  paginateListAgentRuntimeEndpoints(asked, { agentRuntimeId }),
  "runtimeEndpoints",
);
assert.deepEqual(endpoints.map((each) => each.name), ["DEFAULT", "live"]);
endpoints.forEach((each) => recent(each.lastUpdatedAt));
const versions = await collected(
  paginateListAgentRuntimeVersions(asked, { agentRuntimeId }),
  "agentRuntimes",
);
assert.deepEqual(versions.map((each) => each.agentRuntimeVersion), ["2", "1"]);
const runtimes = await collected(paginateListAgentRuntimes(asked, {}), "agentRuntimes");
assert.ok(runtimes.some((each) => each.agentRuntimeId === agentRuntimeId));

const { authorizerConfiguration, ...open } = said;
const dropping = new UpdateAgentRuntimeCommand({ agentRuntimeId, ...open });
await assert.rejects(control.send(dropping), (error) => {
  assert.ok(error instanceof ValidationException);
  assert.deepEqual(error.fieldList.map((field) => field.name), ["authorizerConfiguration"]);
  return error.message.includes("daiko:may-drop-authorizer=true");
});
await control.send(
  new TagResourceCommand({
    resourceArn: made.agentRuntimeArn,
    tags: { "daiko:may-drop-authorizer": "true" },
  }),
);
assert.equal((await control.send(dropping)).agentRuntimeVersion, "3");

const image = artifact("000000000000.dkr.ecr.us-east-1.amazonaws.com/agents:latest");
await assert.rejects(
  control.send(
    new CreateAgentRuntimeCommand({
      agentRuntimeName: "javascript_two",
      ...said,
      agentRuntimeArtifact: image,
    }),
  ),
  (error) => error instanceof ValidationException && /starts no containers/.test(error.message),
);
await assert.rejects(
  control.send(new CreateAgentRuntimeCommand({ agentRuntimeName: "javascript_one", ...said })),
  ConflictException,
);
await assert.rejects(
  control.send(new DeleteAgentRuntimeCommand({ agentRuntimeId, agentRuntimeVersion: "2" })),
  (error) => error instanceof ConflictException && error.message.endsWith("live"),
);

await control.send(new DeleteAgentRuntimeEndpointCommand(live));
const gone = await control.send(new DeleteAgentRuntimeCommand({ agentRuntimeId }));
assert.deepEqual([gone.status, gone.$metadata.httpStatusCode], ["DELETING", 202]);
await assert.rejects(
  control.send(new GetAgentRuntimeCommand({ agentRuntimeId })),
  ResourceNotFoundException,
);
