"""How a consent ends that is not granted."""

from __future__ import annotations

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.errors import Forbidden
from vault.errors import VaultError
from vault.models import ConsentSession


class ConsentEnded(VaultError, Forbidden):
    """A consent session came to an end other than a grant; `outcome` is that of the page.

    `sentence` is what the caller is told, with the names of the agent and the provider put in.
    """

    outcome = "failed"
    sentence: StrOrPromise = _("{provider} could not be connected.")

    def __init__(self, session: ConsentSession, *, detail: str = "") -> None:
        self.session = session
        self._names = {"agent": session.agent_name, "provider": session.provider.display_name}
        super().__init__(format_lazy(self.sentence, **self._names), detail=detail)

    @property
    def notice(self) -> StrOrPromise:
        """Return one more sentence for the person, or the empty string."""
        return ""


class ConsentDenied(ConsentEnded):
    """The person said no."""

    code = "consent_denied"
    outcome = "denied"
    sentence = _("{agent} was not allowed to use {provider}.")


class ConsentExpired(ConsentEnded):
    """Ten minutes went by."""

    code = "consent_expired"
    outcome = "expired"
    sentence = _("The request to use {provider} has expired.")


class ConsentFailed(ConsentEnded):
    """The provider, or what came in its name, did not do as it should."""

    code = "consent_failed"

    def __init__(self, session: ConsentSession, *, detail: str = "") -> None:
        super().__init__(session, detail=detail)
        if session.provider_words:
            self.message = format_lazy("{} {}", self.message, self.notice)

    @property
    def notice(self) -> StrOrPromise:
        """Return the provider's own words, which were redacted before they were stored."""
        words = self.session.provider_words
        return format_lazy(_("It answered “{words}”."), words=words) if words else ""


class ConsentWithdrawn(ConsentEnded):
    """The person stopped what asked for it, before they had answered."""

    code = "consent_withdrawn"
    outcome = "withdrawn"
    sentence = _("The request to use {provider} was withdrawn.")


class ConsentUsed(ConsentEnded):
    """A link, state or code that works once was used before."""

    code = "consent_used"
    outcome = "used"
    sentence = _("This request for consent was used before.")


class WrongPerson(ConsentEnded):
    """Somebody else tries to answer for the person who was asked."""

    code = "consent_wrong_person"
    outcome = "wrong_person"
    sentence = _("Invalid or expired session: another person was asked for consent.")


class WrongBrowser(ConsentEnded):
    """The answer came to a browser that never opened the request: a forwarded or planted link."""

    code = "consent_wrong_browser"
    outcome = "wrong_browser"
    sentence = _("This request for consent was opened in another browser.")


class ScopesNotGranted(ConsentEnded):
    """The person consented, to less than was asked."""

    code = "consent_narrower"
    sentence = _("{provider} did not grant all that {agent} asked for.")


class Disconnected(ConsentEnded):
    """What this session granted was taken back since."""

    code = "consent_taken_back"
    sentence = _("The person has disconnected {provider} from {agent}.")
