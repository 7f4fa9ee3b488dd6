"""The inbound side of the wire API: workload identities, their tokens, policies and tags."""
