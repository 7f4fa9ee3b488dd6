"""Two example agents, written with the `bedrock-agentcore` SDK and Strands as it comes.

`concierge` reads a third party's API with the person's own token; `greeter` knows who is calling
and keeps one action for a group. Neither imports anything of Daiko.
"""
