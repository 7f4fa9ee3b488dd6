"""What an agent's version says, and every reason for which it is refused.

A configuration that could be read in two ways, or that opens an agent without saying so, is not
stored. The rules are those of the wire API (`authorizerConfiguration`,
`requestHeaderConfiguration`), so that what is registered here can be registered there.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from agents.configuration.rules import CLIENT_CLAIMS, RULES
from agents.configuration.said import RESTRICTIONS, Configuration
from core.errors import FieldError, InvalidRequest

__all__ = ["CLIENT_CLAIMS", "RESTRICTIONS", "Configuration", "ConfigurationRefused", "check"]


class ConfigurationRefused(InvalidRequest):
    """The configuration is not stored; `fields` says where it is wrong, and why."""

    code = "configuration_refused"


def check(
    asked: Configuration, *, before: Configuration | None = None, may_drop_authorizer: bool = False
) -> None:
    """Return if `asked` may be stored, in place of `before` if there is one.

    Raises:
        ConfigurationRefused: with every reason, each at its field; also where people's tokens would
            not be asked for any more, and nobody said so.
    """
    found: list[FieldError] = []
    for name, rule in RULES:
        found += [FieldError(name, reason) for reason in rule(asked)]
    drops = before is not None and before.asks_for_tokens and not asked.asks_for_tokens
    if drops and not may_drop_authorizer:
        reason = _(
            "People's tokens would not be checked any more: every holder of an access key could "
            "call this agent. Tick this if that is what you want."
        )
        found.append(FieldError("may_drop_authorizer", reason))
    if found:
        listed = " ".join(str(error.message) for error in found)
        raise ConfigurationRefused(listed, fields=tuple(found))
