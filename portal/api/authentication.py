"""Who calls the site's API: the person whose sign-in the browser's session stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.models import User
from portal.errors import SignInRequired
from portal.models import SignIn

if TYPE_CHECKING:
    # It reads the settings that name this module, so it cannot be imported by it.
    from rest_framework.views import APIView


class SignedInRequest(Request):
    """A request of somebody who is signed in; `auth` is their sign-in."""

    user: User
    auth: SignIn


class SignedInSession(SessionAuthentication):
    """The session's sign-in, with Django's CSRF check on whatever changes anything."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Return the person and their sign-in.

        Raises:
            SignInRequired: nobody is signed in.
            PermissionDenied: the CSRF token is missing or not this browser's.
        """
        signin: SignIn | None = request._request.signin  # type: ignore[attr-defined]  # our middleware's
        if signin is None:
            raise SignInRequired
        self.enforce_csrf(request)
        return signin.user, signin


class IsSignedIn(BasePermission):
    """The guard of the site's API. What a person may see is up to the selectors."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the request is of a person whose sign-in stands."""
        return isinstance(request.auth, SignIn)
