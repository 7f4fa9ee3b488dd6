"""A person's own programs at the demo's agents, each by its protocol's official client."""
