"""Agents of each protocol, made with its official SDK, and how to run them."""
