"""Who is signed in."""

from __future__ import annotations

from django.http import HttpRequest

from demo.acme.models import Account


def account_of(request: HttpRequest) -> Account | None:
    """Return the account that is signed in in this browser, if any."""
    user: object = request.user
    return user if isinstance(user, Account) else None
