"""The guard of the pages: who has to be signed in, and as what."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from core.models import User
from portal.errors import NotAnAdministrator, SignInRequired
from portal.flows.signin import safe_next
from portal.models import SignIn

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
Page = Callable[Concatenate["SignedInRequest", P], R]


class SignedInRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User
    signin: SignIn


def signed_in(view: Page[P, R]) -> Callable[Concatenate[HttpRequest, P], R]:
    """Let `view` answer people who are signed in; everybody else goes to sign in first."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if request.signin is None:  # type: ignore[attr-defined]  # our middleware's
            raise SignInRequired
        response = view(cast(SignedInRequest, request), *args, **kwargs)
        add_never_cache_headers(response)
        return response

    update_wrapper(guarded, view)
    return _stated(guarded, "signed in")


def public(view: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """State that `view` answers anybody."""
    return _stated(view, "public")


def guard_of(view: object) -> str | None:
    """Return the guard that a page states, or None."""
    return getattr(view, "guard", None)


def _stated(view: Callable[P, R], guard: str) -> Callable[P, R]:
    view.guard = guard  # type: ignore[attr-defined]  # what `guard_of` reads
    return view


@public
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Send whom the admin site asks to sign in to the provider, and then back.

    Raises:
        NotAnAdministrator: somebody is signed in, and signing in again would lead here again.
    """
    destination = safe_next(request.GET.get("next"))
    if destination == "/":
        destination = reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(destination)
    if not request.user.is_staff:
        raise NotAnAdministrator
    return HttpResponseRedirect(destination)
