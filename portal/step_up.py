"""What is dangerous on the admin site takes a fresh sign-in: which requests, and for how long.

The identity provider is asked to have the person prove again who they are (`prompt=login` and
`max_age=0`, OpenID Connect Core 1.0 section 3.1.2.1), and believed by `auth_time` alone, which the
verified ID token has to have: a provider that ignores both would answer without asking anybody.
"""

from __future__ import annotations

from typing import Any, Literal

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.urls import ResolverMatch, reverse

from core import jose
from core.identity_providers import IdentityProvider
from portal.claims import LEEWAY_S
from portal.errors import SignInRefused
from portal.id_tokens import VerifiedIdToken
from portal.models import SignIn

GOOD_FOR_S = 600
_SESSION = "proved"  # the sign-in, and when its person last proved who they are

# Pages that lead to one thing alone, or show a new secret: asked before anything is typed.
PAGES = frozenset(
    {
        "agents_accesskey_add",
        "agents_accesskey_revoke",
        "agents_accesskey_rotate",
        "agents_agent_delete",
        "agents_agent_import",
        "agents_agent_roll_back",
        "agents_resourcepolicy_delete",
        "vault_apikeyprovider_delete",
        "vault_credentialprovider_delete",
        "vault_webhookendpoint_add",
        "vault_webhookendpoint_delete",
        "vault_webhookendpoint_rotate",
    }
)
# Forms that people look at, and whose saving decides who may do what, or switches something off.
FORMS = frozenset(
    {
        "agents_agent_add",
        "agents_agent_change",
        "agents_resourcepolicy_add",
        "agents_resourcepolicy_change",
        "agents_workloadidentity_add",
        "agents_workloadidentity_change",
        "vault_apikeyprovider_add",
        "vault_apikeyprovider_change",
        "vault_credentialprovider_add",
        "vault_credentialprovider_change",
        "vault_webhookendpoint_change",
    }
)
# Actions on what is ticked in a list.
ACTIONS = frozenset(
    {
        *("delete_selected", "end_access", "revoke"),
        *("disable_selected", "enable_selected"),
    }
)

Kind = Literal["page", "form", "action"]


def kind_of(request: HttpRequest, match: ResolverMatch) -> Kind | None:
    """Return in which way a request to the admin site is dangerous; None: it is not."""
    name = match.url_name or ""
    if name in PAGES:
        return "page"
    if request.method != "POST":
        return None
    if name == "agents_accesskey_switch" and request.POST.get("enabled") == "yes":
        return "page"
    if name in FORMS:
        return "form"
    if name.endswith("_changelist") and ACTIONS.intersection(request.POST.getlist("action")):
        return "action"
    return None


def is_fresh(session: SessionBase, signin: SignIn, *, at: float) -> bool:
    """Say whether the person of `signin` proved who they are within the last ten minutes."""
    proved: Any = session.get(_SESSION)
    if not proved or proved[0] != str(signin.pk):
        return False
    return 0 <= at - float(proved[1]) < GOOD_FOR_S


def note(session: SessionBase, signin: SignIn, identity: VerifiedIdToken, *, at: float) -> None:
    """Keep with the session when the person proved who they are, where the provider says so."""
    proved = jose.numeric_date(identity.claims.get("auth_time"))
    if proved is not None:
        session[_SESSION] = [str(signin.pk), min(proved, at)]


def check(identity: VerifiedIdToken, signin: SignIn, *, asked_at: float, at: float) -> None:
    """Refuse an answer to a request to sign in again, unless the same person just did.

    Raises:
        SignInRefused: it is somebody else, or nothing says that anybody was asked.
    """
    if identity.subject != signin.user.subject:
        raise SignInRefused("another_person")
    if "auth_time" not in identity.claims:
        raise SignInRefused("no_auth_time")
    proved = jose.numeric_date(identity.claims["auth_time"])
    if proved is None or not asked_at - LEEWAY_S <= proved <= at + LEEWAY_S:
        raise SignInRefused("stale_sign_in")


def parameters(asked: IdentityProvider) -> dict[str, str]:
    """Return the parameters of a request to a provider that has the person sign in again.

    Nothing is to last of it, so it does not ask for `offline_access`.
    """
    scopes = (scope for scope in asked.scopes.split() if scope != "offline_access")
    return {"prompt": "login", "max_age": "0", "scope": " ".join(scopes)}


def url_to(path: str) -> str:
    """Return where the person goes to sign in again, and then to `path`."""
    return reverse("oidc_authentication_init", query={"again": "yes", "next": path})
