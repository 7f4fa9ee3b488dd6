"""The leaf app's rows."""

from core.models.audit import AuditEvent
from core.models.keys import DataKey, TokenVault
from core.models.users import User

__all__ = ["AuditEvent", "DataKey", "TokenVault", "User"]
