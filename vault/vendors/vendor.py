"""What can be particular about a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from core.dialect import Dialect
from core.oauth import ClientAuth
from vault.vendors import ending
from vault.vendors.names import VendorName


class Place(Enum):
    """How it is known where a vendor answers."""

    FIXED = auto()  # at the same endpoints for everybody
    TENANT = auto()  # at endpoints that name the customer's directory
    OWN_ISSUER = auto()  # each customer has an issuer of their own: the admin gives it
    CUSTOM = auto()  # by a discovery URL, or by what the admin writes down


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor: where it answers, and where it differs from what the standards say."""

    name: VendorName
    place: Place = Place.FIXED
    # `{tenant}` in them is the customer's directory.
    issuer: str = ""
    authorization: str = ""
    token: str = ""
    # A URL; for a vendor whose customers have an issuer of their own, relative to the token
    # endpoint, for when the admin wrote that down. Empty: none is known.
    revocation: str = ""
    ends: ending.Way = ending.both
    account_url: str = ""  # where people look at what they granted, and end it
    auth: ClientAuth = "client_secret_basic"
    pkce: bool = True
    scope_parameter: str = "scope"
    scope_separator: str = " "
    # What makes refreshing work, besides settings of the app at the vendor.
    authorize: Mapping[str, str] = field(default_factory=dict)
    refresh_scope: str = ""
    dialect: Dialect = field(default_factory=Dialect)
