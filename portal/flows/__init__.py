"""A person's journeys through several requests, one module each."""
