"""The data plane's way to an agent."""
