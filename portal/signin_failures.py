"""What a person is told when a sign-in is refused: what happened, and what to do.

By the code of the check that failed. What is not listed here means that something was wrong with
the answer itself, about which a person can do nothing; the trail has the code.
"""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


class Failure(NamedTuple):
    """How one failure is told."""

    title: StrOrPromise
    message: StrOrPromise
    status: int = 403


UNVERIFIED = Failure(
    _("You could not be signed in"),
    _(
        "What your organisation's sign-in service answered could not be verified. Try again. If it "
        "happens again, tell an administrator the reference below."
    ),
)
_CLOCKS = Failure(
    _("The clocks do not agree"),
    _(
        "By the clock of this site, what your organisation's sign-in service answered is not good "
        "now. Try again. If it happens again, tell an administrator the reference below: one of "
        "the two clocks is wrong. The clock of your own device does not matter."
    ),
)
_NOT_ASKED = Failure(
    _("You were not asked to sign in again"),
    _(
        "You were to sign in again, and your organisation's sign-in service does not say that it "
        "asked you to. Nothing was done. An administrator has to let it honour max_age and send "
        "auth_time."
    ),
)
FAILURES = {
    "state_mismatch": Failure(
        _("This sign-in is over"),
        _(
            "It was finished before, begun in another window, or too long ago. Please try again, "
            "in one window."
        ),
        400,
    ),
    "cookie_missing": Failure(
        _("Your browser does not know this sign-in"),
        _(
            "It was begun too long ago, or in another browser, or your browser keeps no cookies of "
            "this site. Please try again. If it happens again, allow cookies for this site."
        ),
        400,
    ),
    "denied_at_provider": Failure(
        _("The sign-in was cancelled"),
        _(
            "It was cancelled at your organisation's sign-in service, or you are not allowed in "
            "there. You can try again. If you should have access, ask whoever looks after that "
            "service, and tell them the reference below."
        ),
    ),
    "provider_refused": Failure(
        _("You were not let in"),
        _(
            "Your organisation's sign-in service did not let you in. Try again. If it happens "
            "again, tell an administrator the reference below."
        ),
    ),
    "code_refused": Failure(
        _("This sign-in could not be finished"),
        _(
            "Your organisation's sign-in service did not take it any more: it was used before, or "
            "took too long. Please try again. If it happens again, tell an administrator the "
            "reference below."
        ),
    ),
    "another_person": Failure(
        _("Somebody else signed in"),
        _(
            "Somebody else signed in than who is signed in here. Nothing was done; sign in again "
            "as yourself."
        ),
    ),
    "another_provider": Failure(
        _("Another sign-in service answered"),
        _(
            "You went to one sign-in service, and what came back was another's. Nobody was signed "
            "in. Please try again, in one window."
        ),
        400,
    ),
    "no_auth_time": _NOT_ASKED,
    "stale_sign_in": _NOT_ASKED,
    "expired": _CLOCKS,
    "not_yet_valid": _CLOCKS,
}
