"""The token vault in the wire API: which key it has, another one, and a new start without it."""

from __future__ import annotations

from agents.keys.callers import Caller
from agents.wire.calls import WireCall, operators
from core.errors import invalid
from core.models import TokenVault
from core.wire.app import Operation, Output
from vault.upkeep import token_vault

_OWN, _SERVICES = "CustomerManagedKey", "ServiceManagedKey"


def vault_get(call: WireCall) -> Output:
    """Return which key the vault has. Raises VaultUnknown."""
    return _told(_named(call))


def vault_key_set(call: WireCall) -> Output:
    """Give the vault a key of the operator's, or take it back.

    Raises:
        InvalidRequest: there is an ARN too much or too few, or the key cannot be used.
        As `token_vault.vault_key_set`.
    """
    wanted = call.input["kmsConfiguration"]
    arn = wanted.get("kmsKeyArn", "")
    if (wanted["keyType"] == _OWN) is not bool(arn):
        message = f"Give it with {_OWN}, and leave it out with {_SERVICES}."
        raise invalid("kmsConfiguration.kmsKeyArn", message)
    vault = _named(call)
    return _told(token_vault.vault_key_set(vault=vault, kms_key_arn=arn, actor=call.caller.actor))


def vault_reset(call: WireCall) -> Output:
    """Forget all tokens of a vault whose key was deleted. Raises as `token_vault.vault_reset`."""
    return _told(token_vault.vault_reset(vault=_named(call), actor=call.caller.actor))


def _named(call: WireCall) -> TokenVault:
    return token_vault.vault_named(call.input.get("tokenVaultId", TokenVault.DEFAULT))


def _told(vault: TokenVault) -> Output:
    arn = vault.kms_key_arn
    return {
        "tokenVaultId": vault.name,
        "kmsConfiguration": {"keyType": _OWN, "kmsKeyArn": arn} if arn else {"keyType": _SERVICES},
        "lastModifiedDate": vault.updated_at,
    }


OPERATIONS: list[Operation[Caller]] = [
    Operation("GetTokenVault", vault_get, guard=operators),
    Operation("SetTokenVaultCMK", vault_key_set, guard=operators),
    Operation("ResetTokenVaultKeyMaterial", vault_reset, guard=operators),
]
