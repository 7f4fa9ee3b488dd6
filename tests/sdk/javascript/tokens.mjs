// Workload access tokens in three ways, what each is good for, and what is refused.
import assert from "node:assert/strict";
import {
  BedrockAgentCoreClient,
  CompleteResourceTokenAuthCommand,
  GetResourceOauth2TokenCommand,
  GetWorkloadAccessTokenCommand,
  GetWorkloadAccessTokenForJWTCommand,
  GetWorkloadAccessTokenForUserIdCommand,
  ResourceNotFoundException,
  UnauthorizedException,
  ValidationException,
} from "@aws-sdk/client-bedrock-agentcore";

const { USER_TOKEN: userToken } = process.env;
const client = new BedrockAgentCoreClient();
const workloadName = "my-laptop";

const asked = {
  resourceCredentialProviderName: "my-calendar",
  scopes: ["calendar.read"],
  resourceOauth2ReturnUrl: `http://localhost:${process.env.PORT}/oauth2/callback`,
};
const resource = (workloadIdentityToken, oauth2Flow, more) =>
  client.send(
    new GetResourceOauth2TokenCommand({ ...asked, workloadIdentityToken, oauth2Flow, ...more }),
  );

const alone = await client.send(new GetWorkloadAccessTokenCommand({ workloadName }));
const named = await client.send(
  new GetWorkloadAccessTokenForUserIdCommand({ workloadName, userId: "somebody" }),
);
const person = await client.send(
  new GetWorkloadAccessTokenForJWTCommand({ workloadName, userToken }),
);

const m2m = await resource(alone.workloadAccessToken, "M2M", { scopes: ["status.read"] });
assert.ok(m2m.accessToken);
assert.equal(m2m.authorizationUrl, undefined);

for (const { workloadAccessToken } of [named, person]) {
  const waiting = await resource(workloadAccessToken, "USER_FEDERATION", { customState: "4711" });
  assert.equal(waiting.accessToken, undefined);
  assert.equal(waiting.sessionStatus, "IN_PROGRESS");
  assert.match(waiting.sessionUri, /^urn:ietf:params:oauth:request_uri:/);
  assert.equal(new URL(waiting.authorizationUrl).searchParams.get("request_uri"), waiting.sessionUri);
}

const refused = (command, kind, status) =>
  assert.rejects(client.send(command), (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.name, kind.name);
    assert.equal(error.$metadata.httpStatusCode, status);
    return error.message.length > 0;
  });
const foreign = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.c2ln";
await refused(
  new GetWorkloadAccessTokenForJWTCommand({ workloadName, userToken: foreign }),
  UnauthorizedException,
  401,
);
await refused(
  new GetWorkloadAccessTokenCommand({ workloadName: "nobody-knows" }),
  ResourceNotFoundException,
  404,
);
await refused(
  new CompleteResourceTokenAuthCommand({ sessionUri: "no urn", userIdentifier: { userId: "x" } }),
  ValidationException,
  400,
);
