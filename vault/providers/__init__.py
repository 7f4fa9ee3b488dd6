"""Credential providers: keeping them, where they answer, and the keys we sign with there."""
