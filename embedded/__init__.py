"""PostgreSQL and Redis from wheels, run as supervised children of whoever needs them.

Nothing here is a daemon: every process dies with the one that started it. The package knows
neither Django nor the rest of the project; the demo and the tests are its two users.
"""
