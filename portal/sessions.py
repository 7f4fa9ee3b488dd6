"""Browser sessions in the database, sealed, under a hash of their key.

The key in the cookie is all that a browser has to show. Stored as it is, as Django does, a copy of
the table would open every session in it. What a session holds is sealed for its row: while somebody
signs in that is a PKCE verifier, a nonce, and a way back that may name a request for consent.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from core.crypto import Binding, KeyMissing, SealBroken, open_sealed, seal
from core.sealed_columns import SealedColumn

log = logging.getLogger(__name__)

# The column's own length, and 160 bits.
_HASH_CHARS = 40


def hashed(session_key: str) -> str:
    """Return the name under which a session is stored. Its key is random, so there is no salt."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:_HASH_CHARS]


def _place(row_key: str) -> Binding:
    return Binding("django_session", row_key, "session_data", "")


# Django's own table, whose column is text.
COLUMN = SealedColumn(Session, "session_data", lambda row: _place(row.session_key), is_text=True)


class SessionStore(DatabaseSessionStore):
    """Django's own, with the key hashed on its way to the database."""

    def _get_session_from_db(self) -> Session | None:
        if self.session_key is None:
            return None
        found = Session.objects.filter(
            session_key=hashed(self.session_key), expire_date__gt=timezone.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Return what a session holds, sealed for its row. Raises KeyMissing."""
        sealed = seal(super().encode(session_dict), bound_to=self._binding())
        return base64.b64encode(sealed).decode("ascii")

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return what was sealed for this session; nothing where it does not open."""
        try:
            sealed = base64.b64decode(session_data, validate=True)
            opened = open_sealed(sealed, bound_to=self._binding())
        except (ValueError, SealBroken, KeyMissing) as exc:
            log.warning("session.does_not_open", extra={"failure": type(exc).__name__})
            return {}
        return super().decode(opened.reveal())

    def _binding(self) -> Binding:
        return _place(hashed(self.session_key or ""))

    def exists(self, session_key: str) -> bool:
        """Say whether there is a session with this key."""
        return super().exists(hashed(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row that stores `data` for this session."""
        row = super().create_model_instance(data)
        row.session_key = hashed(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=hashed(key)).delete()

    async def aload(self) -> dict[str, Any]:
        """Refuse: Django's asynchronous half would take a hash out of the table for a key."""
        raise NotImplementedError
