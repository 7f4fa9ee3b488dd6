// Workload identities: made, read, listed in pages, changed, deleted, and refused.
import assert from "node:assert/strict";
import {
  BedrockAgentCoreControlClient,
  CreateWorkloadIdentityCommand,
  DeleteWorkloadIdentityCommand,
  GetWorkloadIdentityCommand,
  ResourceNotFoundException,
  UpdateWorkloadIdentityCommand,
  ValidationException,
  paginateListWorkloadIdentities,
} from "@aws-sdk/client-bedrock-agentcore-control";

const control = new BedrockAgentCoreControlClient();
const names = ["javascript-one", "javascript-two"];
const returnUrls = ["https://app.example/back", "http://localhost:8081/oauth2/callback"];

for (const name of names) {
  const made = await control.send(
    new CreateWorkloadIdentityCommand({ name, allowedResourceOauth2ReturnUrls: returnUrls }),
  );
  assert.equal(made.name, name);
  assert.match(made.workloadIdentityArn, new RegExp(`/workload-identity/${name}$`));
}

const [name] = names;
const changed = await control.send(
  new UpdateWorkloadIdentityCommand({ name, allowedResourceOauth2ReturnUrls: returnUrls.slice(1) }),
);
const found = await control.send(new GetWorkloadIdentityCommand({ name }));
assert.deepEqual(found.allowedResourceOauth2ReturnUrls, returnUrls.slice(1));
assert.ok(found.createdTime instanceof Date);
assert.ok(found.lastUpdatedTime > found.createdTime);
assert.deepEqual(changed.lastUpdatedTime, found.lastUpdatedTime);
assert.ok(Math.abs(Date.now() - found.createdTime) < 60_000);

const listed = [];
for await (const page of paginateListWorkloadIdentities({ client: control, pageSize: 1 }, {})) {
  assert.ok(page.workloadIdentities.length <= 1);
  listed.push(...page.workloadIdentities.map((each) => each.name));
}
assert.deepEqual(listed.filter((each) => names.includes(each)), names);

for (const each of names) {
  const gone = await control.send(new DeleteWorkloadIdentityCommand({ name: each }));
  assert.equal(gone.$metadata.httpStatusCode, 204);
}

await assert.rejects(control.send(new GetWorkloadIdentityCommand({ name })), (error) => {
  assert.ok(error instanceof ResourceNotFoundException);
  assert.equal(error.name, "ResourceNotFoundException");
  assert.equal(error.$metadata.httpStatusCode, 404);
  assert.ok(error.$metadata.requestId);
  return error.message.length > 0;
});
await assert.rejects(control.send(new GetWorkloadIdentityCommand({ name: "a b" })), (error) => {
  assert.ok(error instanceof ValidationException);
  assert.equal(error.reason, "FieldValidationFailed");
  assert.deepEqual(error.fieldList.map((field) => field.name), ["name"]);
  return error.fieldList[0].message.length > 0;
});
