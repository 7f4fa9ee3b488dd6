"""The vault's operations of the wire API (AgentCore Identity)."""
