"""Who calls the site's API: a person, by the browser's session, or an operator, by a signature."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from agents.keys import verification
from agents.keys.callers import Caller
from core.models import User
from core.wire.canonical import SignedRequest
from core.wire.sigv4 import ALGORITHM
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


class AccessKeySignature(BaseAuthentication):
    """A signature (SigV4), verified as the wire API does: on the raw path, with the body's hash.

    A view that takes it says in `operations`, by method, which of an access key's it is.
    """

    def authenticate(self, request: Request) -> tuple[None, Caller] | None:
        """Return whose key signed the request, or None where nobody did in the header.

        Raises:
            MethodNotAllowed: it is none that the view has an operation for.
            As `verification.authenticate`.
        """
        if not request.headers.get("Authorization", "").startswith(ALGORITHM):
            return None
        operation = request.parser_context["view"].operations.get(request.method)
        if operation is None:
            raise MethodNotAllowed(str(request.method))
        scope = cast(ASGIRequest, request._request).scope
        signed = SignedRequest(
            method=scope["method"],
            raw_path=scope["raw_path"],
            raw_query=scope["query_string"],
            headers=tuple((name, value) for name, value in scope["headers"]),
            body_sha256=sha256(request._request.body).hexdigest(),
        )
        return None, async_to_sync(verification.authenticate)(signed, operation)


class IsOperator(BasePermission):
    """The guard of what an operator's access key alone may do."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the request was signed with a key that is bound to no workload identity."""
        return isinstance(request.auth, Caller) and request.auth.is_operator
