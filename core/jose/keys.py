"""An issuer's public keys, and what each of them may be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

_MIN_RSA_BITS = 2048
_CURVES = {
    **{"ES256": {"P-256"}, "ES384": {"P-384"}, "ES512": {"P-521"}},
    **{"EdDSA": {"Ed25519", "Ed448"}, "Ed25519": {"Ed25519"}},
}


def import_keys(jwks: dict[str, Any], *, known: Mapping[str, Key] | None = None) -> dict[str, Key]:
    """Return the signing keys of a key set (RFC 7517 section 5) by `kid`.

    What is symmetric, weak, for something else than signatures or not understood is left out. A
    key that is `known` stays the same object, so that whoever kept it sees that it is still there.

    Raises:
        TypeError: it is no key set.
    """
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise TypeError("no list of keys")
    keys: dict[str, Key] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not _may_verify(entry):
            continue
        try:
            imported = next(iter(KeySet.import_key_set({"keys": [entry]})))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        weak = isinstance(imported, RSAKey) and imported.raw_value.key_size < _MIN_RSA_BITS
        if isinstance(imported, RSAKey | ECKey | OKPKey) and not weak:
            kid = entry.get("kid", "")
            before = (known or {}).get(kid)
            keys[kid] = before if before is not None and before == imported else imported
    return keys


def _may_verify(entry: dict[str, Any]) -> bool:
    """Say whether a key is one for signatures (RFC 7517 sections 4.2 and 4.3), with a usable id."""
    operations = entry.get("key_ops", ["verify"])
    return (
        isinstance(entry.get("kid", ""), str)
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


def fits(key: Key, algorithm: str) -> bool:
    """Say whether `key` is of the algorithm's kind and curve, and may be used with it.

    A key that names its algorithm serves no other (RFC 7517 section 4.4, RFC 8725 section 3.1).
    """
    named = key.get("alg")
    if named is not None and named != algorithm:
        return False
    if isinstance(key, RSAKey):
        return algorithm[:2] in {"RS", "PS"}
    return key.curve_name in _CURVES.get(algorithm, ())


def in_words(key: Key) -> str:
    """Return what kind of key it is, and the algorithm that it names."""
    kind = "RSA" if isinstance(key, RSAKey) else key.curve_name
    named = key.get("alg")
    return f"{kind}, {named}" if named else kind
