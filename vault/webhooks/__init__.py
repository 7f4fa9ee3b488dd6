"""Telling operators of what happens to grants, by the Standard Webhooks specification 1.0.0."""
