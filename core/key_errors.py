"""Why a sealed value, or the key that sealed it, does not open."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, Internal


class SealBroken(Internal):
    """The value was not sealed for this place, or was changed since."""

    code = "seal_broken"


class _OfOneKey(AppError):
    """`key` names it: the id of a data key or of a key in the ring, or the ARN of one in KMS."""

    def __init__(self, key: str, *, because: str) -> None:
        self.key = key
        super().__init__(detail=f"{key}: {because}")


class KeyMissing(_OfOneKey, Internal):
    """A key is not there, or not for this site; what it sealed is left alone."""

    code = "key_missing"


class KeyUnavailable(_OfOneKey):
    """The key in KMS cannot be asked now; nothing is known to be wrong with it."""

    code = "key_unavailable"
    status = 503
    message = _("The key service cannot be reached right now. Try again in a moment.")
