"""What the gateway is held against: other proxies in front of the same upstream."""
