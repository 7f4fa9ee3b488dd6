"""Runtime sessions: whose they are, when they end, and how they are ended."""
