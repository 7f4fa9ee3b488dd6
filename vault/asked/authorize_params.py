"""Parameters of an authorization request that are not this site's own.

An agent may add some (the wire API's `customParameters`), and an admin may write some into a
provider. Neither may change what the flow is, and an agent may not ask for more than its scopes
say: those are what a person reads on the consent card.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core.secret import Secret
from vault.errors import ParameterReserved


class Keeper(Enum):
    """Who may set a parameter that is not everybody's."""

    FLOW = auto()  # this site; what anybody else gives is left out, as the wire API has it
    NOBODY = auto()
    ADMIN = auto()


class Reserved(NamedTuple):
    keeper: Keeper
    reason: str


RESERVED: Mapping[str, Reserved] = {
    # The flow's own.
    "response_type": Reserved(Keeper.FLOW, "RFC 6749: a token in the front channel"),
    "response_mode": Reserved(Keeper.FLOW, "how the answer comes back"),
    "client_id": Reserved(Keeper.FLOW, "RFC 6749: whose consent page it is"),
    "client_secret": Reserved(Keeper.FLOW, "RFC 6749: never in a browser"),
    "redirect_uri": Reserved(Keeper.FLOW, "RFC 6749: where the answer comes back"),
    "scope": Reserved(Keeper.FLOW, "RFC 6749: given as scopes"),
    "state": Reserved(Keeper.FLOW, "RFC 6749: binds the answer to the browser"),
    "nonce": Reserved(Keeper.FLOW, "OpenID Connect: binds an ID token to the request"),
    "code": Reserved(Keeper.FLOW, "RFC 6749: of the answer"),
    "code_challenge": Reserved(Keeper.FLOW, "RFC 7636: binds the code to this site"),
    "code_challenge_method": Reserved(Keeper.FLOW, "RFC 7636: S256, always"),
    "code_verifier": Reserved(Keeper.FLOW, "RFC 7636: never in a browser"),
    "client_assertion": Reserved(Keeper.FLOW, "RFC 7523: never in a browser"),
    "client_assertion_type": Reserved(Keeper.FLOW, "RFC 7523: goes with client_assertion"),
    "dpop_jkt": Reserved(Keeper.FLOW, "RFC 9449: would bind the code to another's key"),
    # Another request, client or person in the place of this one.
    "request": Reserved(Keeper.NOBODY, "RFC 9101: a whole request of its own"),
    "request_uri": Reserved(Keeper.NOBODY, "RFC 9101, RFC 9126: a whole request of its own"),
    "registration": Reserved(Keeper.NOBODY, "OpenID Connect: another client's metadata"),
    "id_token_hint": Reserved(Keeper.NOBODY, "OpenID Connect: names another person"),
    "sessiontoken": Reserved(Keeper.NOBODY, "Okta: signs the browser in as another person"),
    "kc_action": Reserved(Keeper.NOBODY, "Keycloak: changes or deletes the person's account"),
    "resource": Reserved(Keeper.NOBODY, "RFC 8707: given as resources"),
    # More access than the scopes say. What an admin writes into the provider, an admin answers for.
    "audience": Reserved(Keeper.ADMIN, "the API that the token is for: given as audiences"),
    "authorization_details": Reserved(Keeper.ADMIN, "RFC 9396: access beside the scopes"),
    "claims": Reserved(Keeper.ADMIN, "OpenID Connect: facts about the person beside the scopes"),
    "grant_id": Reserved(Keeper.ADMIN, "FAPI grant management: another grant to add to"),
    "grant_management_action": Reserved(Keeper.ADMIN, "FAPI grant management: adds to a grant"),
    "include_granted_scopes": Reserved(
        Keeper.ADMIN, "Google, Dropbox: all that the person ever granted this site, to any agent"
    ),
    "enable_granular_consent": Reserved(Keeper.ADMIN, "Google: takes single refusals away"),
    "user_scope": Reserved(Keeper.ADMIN, "Slack: scopes of the person beside those of the app"),
    "scopes": Reserved(Keeper.ADMIN, "read as scope by some providers"),
    "optional_scope": Reserved(Keeper.ADMIN, "HubSpot, Yandex: scopes beside the scopes"),
    "scope_data": Reserved(Keeper.ADMIN, "Login with Amazon: what a scope covers"),
    "connection_scope": Reserved(Keeper.ADMIN, "Auth0: scopes at the provider behind it"),
    "idp_scope": Reserved(Keeper.ADMIN, "Okta: scopes at the provider behind it"),
    "config_id": Reserved(Keeper.ADMIN, "Facebook: a stored set of permissions"),
    "permissions": Reserved(Keeper.ADMIN, "Discord: what the bot may do"),
    "actor": Reserved(Keeper.ADMIN, "Linear: acts as the app, for a whole workspace"),
}
# OpenID Connect Core section 3.1.2.1. Entra ID takes `admin_consent`, for a whole organisation.
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


def check_callers(given: Mapping[str, Secret]) -> None:
    """Refuse parameters by which an agent could get more than its scopes say.

    Raises:
        ParameterReserved: names the first of them, never its value.
    """
    for name, value in given.items():
        reserved = RESERVED.get(plain(name))
        if reserved is not None and reserved.keeper is not Keeper.FLOW:
            raise ParameterReserved.because(name, reserved.reason)
        if plain(name) == "prompt" and not _PROMPTS.issuperset(value.reveal().split(" ")):
            allowed = ", ".join(sorted(_PROMPTS))
            raise ParameterReserved.because(name, f"but to any of {allowed}")


def merged(
    standard: Mapping[str, str], *, provider: Mapping[str, str], caller: Mapping[str, str]
) -> dict[str, str]:
    """Return one set of parameters: the flow's own go before the admin's, those before a caller's.

    The wire API's custom parameters come "in addition to the standard parameters, and will not
    override them": what tries to is left out.
    """
    of_admin = {k: v for k, v in provider.items() if not _is_kept_from_admins(k)}
    taken = {plain(name) for name in (*RESERVED, *of_admin)}
    of_caller = {k: v for k, v in caller.items() if plain(k) not in taken}
    return of_caller | of_admin | dict(standard)


def check_extra(value: Any) -> None:
    """Refuse what is not `{name: text}`, or names what no admin may set. Raises ValidationError."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValidationError(_("Enter an object of names and texts."))
    reserved = sorted(name for name in value if _is_kept_from_admins(name))
    if reserved:
        raise ValidationError(
            _("These are set by the flow itself: %(names)s"), params={"names": ", ".join(reserved)}
        )


def _is_kept_from_admins(name: str) -> bool:
    reserved = RESERVED.get(plain(name))
    return reserved is not None and reserved.keeper is not Keeper.ADMIN


def plain(name: str) -> str:
    """Return the name as the most forgiving provider reads it.

    Some servers do not mind the case, and PHP reads a dot as an underscore.
    """
    return name.casefold().replace(".", "_")
