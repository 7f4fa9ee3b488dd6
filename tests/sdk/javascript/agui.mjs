// One run of an AG-UI agent, as the protocol's own client sees it: a line for each event.
import { HttpAgent } from "@ag-ui/client";

const agent = new HttpAgent({
  url: process.env.AGENT_URL,
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});
agent.messages = [{ id: "1", role: "user", content: process.env.QUESTION }];
try {
  await agent.runAgent(
    {},
    {
      onEvent: ({ event }) =>
        event.name === "authorization_url"
          ? console.log(`Open ${event.value}`)
          : console.log(`${event.type} ${event.delta ?? event.message ?? ""}`),
      onRunFailed: ({ error }) => console.log("FAILED", error.message),
    },
  );
} catch {
  // onRunFailed has said it
}
console.log("ANSWER", agent.messages.at(-1).content);
