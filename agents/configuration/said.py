"""All that one version of an agent says, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from agents.models import AgentVersion
from agents.models.registry import SESSION_IDLE_S, SESSION_LIFETIME_S

# Of these one at least is needed, and each that is there has to be met.
RESTRICTIONS = ("allowed_audience", "allowed_clients", "allowed_scopes", "custom_claims")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Where an agent runs and who may call it: all that one version holds."""

    url: str  # or the ARN of a runtime on AWS
    called_with: str = ""
    protocol: str = AgentVersion.Protocol.HTTP
    path: str = ""
    port: int | None = None
    auth_mode: str = AgentVersion.AuthMode.JWT
    discovery_url: str = ""
    allowed_audience: tuple[str, ...] = ()
    allowed_clients: tuple[str, ...] = ()
    allowed_scopes: tuple[str, ...] = ()
    custom_claims: tuple[dict[str, Any], ...] = ()
    client_claims: tuple[str, ...] = ()
    advertised_scopes: Mapping[str, str] = field(default_factory=dict)
    allowed_workloads: tuple[str, ...] = ()
    resource_identifier: str = ""
    header_allowlist: tuple[str, ...] = ()
    session_idle_s: int = SESSION_IDLE_S
    session_lifetime_s: int = SESSION_LIFETIME_S
    role_arn: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, version: AgentVersion) -> Configuration:
        """Return what `version` says."""
        said: dict[str, Any] = {}
        for column in fields(cls):
            value = getattr(version, column.name)
            said[column.name] = tuple(value) if isinstance(value, list) else value
        return cls(**said)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the version that says this."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def changes(self, before: Configuration | None) -> dict[str, tuple[Any, Any]]:
        """Return by column what `before` said and what this says, where that is not the same."""
        old = before.columns() if before else {}
        return {
            name: (old.get(name), value)
            for name, value in self.columns().items()
            if old.get(name) != value
        }

    @property
    def asks_for_tokens(self) -> bool:
        """Say whether callers have to show a person's token."""
        return self.auth_mode == AgentVersion.AuthMode.JWT

    @property
    def restricts_callers(self) -> bool:
        """Say whether not any token of the issuer will do."""
        return any(getattr(self, name) for name in RESTRICTIONS)
