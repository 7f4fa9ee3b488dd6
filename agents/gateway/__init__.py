"""The data plane's way to an agent (design section 6)."""
