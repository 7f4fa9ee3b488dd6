"""Every operation of the wire API that this site serves."""

from __future__ import annotations

from agents import wire as tokens
from agents import wire_access as access
from agents import wire_identities as identities
from agents.access_keys import Caller
from core.wire.app import Operation
from vault import wire as vault
from vault import wire_api_keys as api_keys
from vault import wire_identities as identities_end
from vault import wire_oauth2 as oauth2
from vault import wire_vault as token_vault

OPERATIONS: list[Operation[Caller]] = [
    *identities.OPERATIONS,
    *identities_end.OPERATIONS,
    *tokens.OPERATIONS,
    *vault.OPERATIONS,
    *api_keys.OPERATIONS,
    *oauth2.OPERATIONS,
    *token_vault.OPERATIONS,
    *access.OPERATIONS,
]
