"""The example agents, written with `bedrock-agentcore` and the protocols' own SDKs as they come.

`concierge` reads a third party's API with the person's own token; `greeter` knows who is calling
and keeps one action for a group: both are Strands agents. `planner` (AG-UI) asks `scheduler` (A2A),
which asks `calendar_tools` (MCP), each on behalf of the person who called the first. None of them
imports anything of Daiko.
"""
