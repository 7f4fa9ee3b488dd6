"""The leaf app's rows."""

from core.models.audit import AuditEvent
from core.models.keys import DataKey, TokenVault
from core.models.users import Role, User

__all__ = ["AuditEvent", "DataKey", "Role", "TokenVault", "User"]
