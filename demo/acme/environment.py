"""What Acme Calendar is told by its environment; missing or impossible values end it."""

from __future__ import annotations

from environ import Env

from demo.acme.roster import ACCOUNTS
from demo.sitekit.environment import at_least, database, generated_secret, passwords, site_url

_env = Env()

URL = site_url("ACME_URL", _env.str("ACME_URL"))
SECRET_KEY = generated_secret("ACME_SECRET_KEY", _env.str("ACME_SECRET_KEY"))
DATABASE = database("ACME_DATABASE_URL", _env.str("ACME_DATABASE_URL"))
PASSWORDS = passwords(
    "ACME_PASSWORDS_FILE",
    _env.str("ACME_PASSWORDS_FILE"),
    people=[account.email for account in ACCOUNTS],
)

CLIENT_ID: str = _env.str("ACME_CLIENT_ID")
CLIENT_SECRET = generated_secret("ACME_CLIENT_SECRET", _env.str("ACME_CLIENT_SECRET"))
REDIRECT_URIS: list[str] = _env.str("ACME_REDIRECT_URIS").split()

# Whose tokens are exchanged (demo.acme.exchange); empty: nobody's.
TRUSTED_ISSUER: str = _env.str("ACME_TRUSTED_ISSUER", default="")

CODE_S = 60
ACCESS_TOKEN_S = at_least(1, "ACME_ACCESS_TOKEN_S", _env.int("ACME_ACCESS_TOKEN_S", default=120))
REFRESH_TOKEN_S = 30 * 24 * 3600
# A client that lost the answer to a refresh may ask again this long; 0 forgives nothing.
REUSE_GRACE_S = at_least(0, "ACME_REUSE_GRACE_S", _env.int("ACME_REUSE_GRACE_S", default=30))

# Opens the ledger and the faults (demo.acme.rehearsal); without it they do not exist.
LEDGER_KEY: str = _env.str("ACME_LEDGER_KEY", default="")
if LEDGER_KEY:
    generated_secret("ACME_LEDGER_KEY", LEDGER_KEY)
