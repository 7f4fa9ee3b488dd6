"""What people granted: kept, released to agents, refreshed in time."""
