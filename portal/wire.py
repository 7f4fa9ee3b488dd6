"""Every operation of the wire API that this site serves."""

from __future__ import annotations

from agents.keys.callers import Caller
from agents.wire import access, identities, runtimes, tokens
from core.wire.app import Operation
from vault.wire import api_keys, oauth2, token_vault
from vault.wire import data_plane as vault
from vault.wire import identities as identities_end

OPERATIONS: list[Operation[Caller]] = [
    *identities.OPERATIONS,
    *identities_end.OPERATIONS,
    *tokens.OPERATIONS,
    *runtimes.OPERATIONS,
    *vault.OPERATIONS,
    *api_keys.OPERATIONS,
    *oauth2.OPERATIONS,
    *token_vault.OPERATIONS,
    *access.OPERATIONS,
]
