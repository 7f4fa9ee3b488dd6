"""The person on whose behalf something is done."""

from __future__ import annotations

from dataclasses import dataclass

# Callers of GetWorkloadAccessTokenForUserId name a person by an opaque string of their own. It is
# kept in a namespace that no OpenID provider can issue, since an issuer is an https URL.
OPAQUE_ISSUER = "daiko:user-id"
# What is no person's but a workload identity's own stands beside people's, in another such one.
_WORKLOAD_ISSUER = "daiko:workload-identity"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, as `(iss, sub)` (OpenID Connect Core 1.0 section 5.7): never an e-mail address."""

    iss: str
    sub: str

    @classmethod
    def opaque(cls, user_id: str) -> Subject:
        """Return the person whom a trusted caller names by `user_id`."""
        return cls(OPAQUE_ISSUER, user_id)

    @classmethod
    def of_workload(cls, name: str) -> Subject:
        """Return the workload identity `name` itself, acting for nobody."""
        return cls(_WORKLOAD_ISSUER, name)

    @property
    def owner(self) -> str:
        """Return one unambiguous string for the pair; `sub` may itself hold any character."""
        return f"{len(self.iss)}:{self.iss}:{self.sub}"
