"""What the identity provider is told by its environment; missing or impossible values end it."""

from __future__ import annotations

from pathlib import Path

from environ import Env

from demo.idp.roster import PEOPLE
from demo.sitekit.environment import at_least, database, generated_secret, passwords, site_url

_env = Env()

URL = site_url("IDP_URL", _env.str("IDP_URL"))
SECRET_KEY = generated_secret("IDP_SECRET_KEY", _env.str("IDP_SECRET_KEY"))
DATABASE = database("IDP_DATABASE_URL", _env.str("IDP_DATABASE_URL"))
SIGNING_KEY = Path(_env.str("IDP_SIGNING_KEY_FILE")).read_text(encoding="ascii")
PASSWORDS = passwords(
    "IDP_PASSWORDS_FILE",
    _env.str("IDP_PASSWORDS_FILE"),
    people=[person.username for person in PEOPLE],
)

CLIENT_ID: str = _env.str("IDP_CLIENT_ID")
CLIENT_SECRET = generated_secret("IDP_CLIENT_SECRET", _env.str("IDP_CLIENT_SECRET"))
REDIRECT_URIS: list[str] = _env.str("IDP_REDIRECT_URIS").split()
# A program on a person's own machine, which can keep no secret; none unless it is named.
PROGRAM_CLIENT_ID: str = _env.str("IDP_PROGRAM_CLIENT_ID", default="")
PROGRAM_REDIRECT_URIS: list[str] = _env.str("IDP_PROGRAM_REDIRECT_URIS", default="").split()
# What the addresses begin with by which clients may name the API (RFC 8707); none: none.
RESOURCES: str = _env.str("IDP_RESOURCES", default="")
POST_LOGOUT_URIS: list[str] = _env.str("IDP_POST_LOGOUT_URIS").split()

ACCESS_TOKEN_S = at_least(1, "IDP_ACCESS_TOKEN_S", _env.int("IDP_ACCESS_TOKEN_S", default=300))
AUDIENCE = "daiko"  # the API that the access tokens are for (RFC 9068 section 2.2)
