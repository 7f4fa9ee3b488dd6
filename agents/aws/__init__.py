"""AWS: what it says of the agents that run there, how they are called, and its own user pools."""
