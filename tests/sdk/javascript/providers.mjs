// Credential providers of both kinds: made, read, listed, changed, deleted; and an API key for a
// workload access token.
import assert from "node:assert/strict";
import {
  BedrockAgentCoreClient,
  GetResourceApiKeyCommand,
  GetWorkloadAccessTokenCommand,
} from "@aws-sdk/client-bedrock-agentcore";
import {
  BedrockAgentCoreControlClient,
  ConflictException,
  CreateApiKeyCredentialProviderCommand,
  CreateOauth2CredentialProviderCommand,
  DeleteApiKeyCredentialProviderCommand,
  DeleteOauth2CredentialProviderCommand,
  GetApiKeyCredentialProviderCommand,
  GetOauth2CredentialProviderCommand,
  ListApiKeyCredentialProvidersCommand,
  ListOauth2CredentialProvidersCommand,
  UpdateApiKeyCredentialProviderCommand,
  UpdateOauth2CredentialProviderCommand,
} from "@aws-sdk/client-bedrock-agentcore-control";

const control = new BedrockAgentCoreControlClient();
const data = new BedrockAgentCoreClient();
const name = "javascript";

const github = (clientId) => ({
  name,
  credentialProviderVendor: "GithubOauth2",
  oauth2ProviderConfigInput: {
    githubOauth2ProviderConfig: { clientId, clientSecret: "never-told-again" },
  },
});
const made = await control.send(new CreateOauth2CredentialProviderCommand(github("first")));
assert.match(made.callbackUrl, /\/identities\/oauth2\/callback\/[0-9a-f-]{36}$/);
await control.send(new UpdateOauth2CredentialProviderCommand(github("second")));
const provider = await control.send(new GetOauth2CredentialProviderCommand({ name }));
assert.equal(provider.credentialProviderVendor, "GithubOauth2");
assert.equal(provider.oauth2ProviderConfigOutput.githubOauth2ProviderConfig.clientId, "second");
assert.ok(provider.clientSecretArn.secretArn.startsWith("arn:aws:secretsmanager:"));
assert.ok(provider.lastUpdatedTime > provider.createdTime);
assert.doesNotMatch(JSON.stringify(provider), /never-told-again/);
const { credentialProviders: oauth2 } = await control.send(
  new ListOauth2CredentialProvidersCommand({ maxResults: 20 }),
);
assert.ok(oauth2.find((each) => each.name === name).createdTime instanceof Date);
await assert.rejects(
  control.send(new CreateOauth2CredentialProviderCommand(github("third"))),
  (error) => error instanceof ConflictException,
);
await control.send(new DeleteOauth2CredentialProviderCommand({ name }));

await control.send(new CreateApiKeyCredentialProviderCommand({ name, apiKey: "first" }));
await control.send(new UpdateApiKeyCredentialProviderCommand({ name, apiKey: "second" }));
const keyed = await control.send(new GetApiKeyCredentialProviderCommand({ name }));
assert.ok(keyed.apiKeySecretArn.secretArn.startsWith("arn:aws:secretsmanager:"));
assert.ok(keyed.lastUpdatedTime > keyed.createdTime);
const { credentialProviders: keys } = await control.send(
  new ListApiKeyCredentialProvidersCommand({ maxResults: 20 }),
);
assert.ok(keys.find((each) => each.name === name).createdTime instanceof Date);
const { workloadAccessToken } = await data.send(
  new GetWorkloadAccessTokenCommand({ workloadName: "my-laptop" }),
);
const { apiKey } = await data.send(
  new GetResourceApiKeyCommand({
    workloadIdentityToken: workloadAccessToken,
    resourceCredentialProviderName: name,
  }),
);
assert.equal(apiKey, "second");
await control.send(new DeleteApiKeyCredentialProviderCommand({ name }));
