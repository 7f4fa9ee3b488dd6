"""Acme Calendar, the demo's third party: accounts of its own, OAuth 2.0, and a calendar API."""
