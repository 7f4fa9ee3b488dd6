"""The tokens of people who are signed in here, for admins who ask why an agent refuses them.

The token goes to the explainer and nowhere else; the look-up is on record before.
"""

from __future__ import annotations

from agents.explainer.sources import SignedIn
from core.models import User
from core.secret import Secret
from portal.errors import SignInExpired
from portal.models import SignIn
from portal.signins import access_token_for


class SignIns:
    """Who is signed in here, by their newest sign-in."""

    def signed_in(self, *, at_most: int) -> list[SignedIn]:
        """Return the people who signed in last, the newest first."""
        live = SignIn.objects.filter(state=SignIn.State.LIVE, user__is_active=True)
        newest = live.order_by("user_id", "-started_at").distinct("user_id")
        rows = SignIn.objects.filter(pk__in=newest.values("pk")).select_related("user")
        return [_person(row.user) for row in rows.order_by("-started_at")[:at_most]]

    def token_of(self, person: SignedIn) -> Secret:
        """Return the access token of the person's newest sign-in, renewed where it is about to end.

        Raises:
            SignInExpired, ProviderAway: there is none that could be shown to an agent.
        """
        signin = (
            SignIn.objects.select_related("user")
            .filter(state=SignIn.State.LIVE, user__is_active=True, user_id=person.key)
            .order_by("-started_at")
            .first()
        )
        if signin is None:
            raise SignInExpired
        return access_token_for(signin)


def _person(user: User) -> SignedIn:
    return SignedIn(str(user.pk), user.display_name, user.subject)
