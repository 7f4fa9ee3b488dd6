"""This site's own keys for client assertions."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from joserfc.jwk import ECKey, RSAKey

from core.assertions import Algorithm, PrivateKey
from core.crypto import Binding, open_sealed, seal

_RSA_BITS = 3072


class SigningKey(models.Model):
    """A key pair by which providers know this site; the private half is sealed.

    One serves every provider: they are told apart by the audience and the client id of what is
    signed. A new key is published before it signs, and an old one after, so that servers that keep
    our key set for a while miss neither.
    """

    class Kind(models.TextChoices):
        RSA = "RSA", _("RSA, for RS256 and PS256")
        EC = "EC", _("P-256, for ES256")

    PUBLISHED_BEFORE = timedelta(days=1)
    PUBLISHED_AFTER = timedelta(days=1)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=3, choices=Kind)
    private_sealed = models.BinaryField()
    public = models.JSONField()  # a JWK (RFC 7517)
    created_at = models.DateTimeField(auto_now_add=True)
    signs_from = models.DateTimeField()

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        ordering = ["-signs_from"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def kid(self) -> str:
        """Return the name under which it is published."""
        return str(self.pk)

    @classmethod
    def kinds_in_use(cls) -> list[str]:
        """Return the kinds of which there is a key, in a stable order."""
        return sorted(set(cls.objects.order_by().values_list("kind", flat=True)))

    def private_key(self) -> PrivateKey:
        """Return the opened private key. Raises SealBroken, KeyMissing."""
        opened = open_sealed(self.private_sealed, bound_to=self.binding("private_sealed"))
        key = load_pem_private_key(opened.reveal().encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise TypeError(self.kid)
        return key

    def binding(self, column: str) -> Binding:
        """Return the one place at which the sealed `column` of this row opens."""
        return Binding("vault_signingkey", str(self.pk), column, "site")


def kind_for(algorithm: Algorithm) -> SigningKey.Kind:
    """Return the kind of key that signs by `algorithm`."""
    return SigningKey.Kind.EC if algorithm == "ES256" else SigningKey.Kind.RSA


def signing_key(algorithm: Algorithm) -> SigningKey:
    """Return the key that signs by `algorithm` now; the first is made when it is first wanted."""
    kind = kind_for(algorithm)
    signing = SigningKey.objects.filter(kind=kind, signs_from__lte=timezone.now())
    return signing.order_by("-signs_from").first() or new_signing_key(kind, signs_in=timedelta())


def new_signing_key(kind: str, *, signs_in: timedelta) -> SigningKey:
    """Return a new, stored key, published from now on and used after `signs_in`."""
    row = SigningKey(kind=kind, signs_from=timezone.now() + signs_in)
    pair: PrivateKey = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == SigningKey.Kind.EC
        else rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    )
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    row.private_sealed = seal(pem, bound_to=row.binding("private_sealed"))
    public = (RSAKey if kind == SigningKey.Kind.RSA else ECKey).import_key(pem)
    row.public = {**public.as_dict(private=False), "kid": row.kid, "use": "sig"}
    row.save(force_insert=True)
    return row


def published_keys() -> list[dict[str, Any]]:
    """Return the JWKs that verify what this site signs, signed lately or will sign soon."""
    published: list[dict[str, Any]] = []
    for kind in SigningKey.Kind:
        rows = SigningKey.objects.filter(kind=kind).order_by("-signs_from")
        for row in rows:
            published.append(row.public)
            # All that are older have been out of use since this one began to sign.
            if row.signs_from <= timezone.now() - SigningKey.PUBLISHED_AFTER:
                break
    return published
