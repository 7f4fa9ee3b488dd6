"""Which custom claims an authorizer can ask for: those of the wire API's `customClaims`."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

# The model's pattern ends in `.-:`, a range that holds the slash of names such as Auth0's.
_CLAIM_NAME = re.compile(r"[A-Za-z0-9_./:-]{1,255}")
_CLAIM_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_OPERATORS = {"STRING": ("EQUALS",), "STRING_ARRAY": ("CONTAINS", "CONTAINS_ANY")}


def wrong_claim(claim: Any) -> str:
    """Return why `claim` is not one of the wire API's `customClaims`; the empty string: it is."""
    try:
        name, kind = claim["inboundTokenClaimName"], claim["inboundTokenClaimValueType"]
        match = claim["authorizingClaimMatchValue"]
        operator, value = match["claimMatchOperator"], match["claimMatchValue"]
        given = {key: inner for key, inner in value.items() if inner is not None}
    except (TypeError, KeyError, AttributeError):
        return _(
            "it needs inboundTokenClaimName, inboundTokenClaimValueType and "
            "authorizingClaimMatchValue with claimMatchOperator and claimMatchValue."
        )
    if not isinstance(name, str) or not _CLAIM_NAME.fullmatch(name):
        return _("its name may hold letters, digits and the characters _ . : / -")
    if name == "scp":
        # The real service's own words.
        return (
            "Custom claim name can't be 'scp'. Please configure claims in the allowed_scopes field"
        )
    if not isinstance(kind, str) or operator not in _OPERATORS.get(kind, ()):
        return _("STRING is compared by EQUALS, STRING_ARRAY by CONTAINS or CONTAINS_ANY.")
    return _wrong_match(operator, given)


def _wrong_match(operator: str, given: dict[str, Any]) -> str:
    wanted = "matchValueStringList" if operator == "CONTAINS_ANY" else "matchValueString"
    if set(given) != {wanted}:
        return _("%(operator)s takes %(wanted)s.") % {"operator": operator, "wanted": wanted}
    values = given[wanted] if operator == "CONTAINS_ANY" else [given[wanted]]
    if not isinstance(values, list) or not values:
        return _("it needs a value.")
    if not all(isinstance(item, str) and _CLAIM_VALUE.fullmatch(item) for item in values):
        return _("its values may hold letters, digits and the characters _ . -")
    return ""
