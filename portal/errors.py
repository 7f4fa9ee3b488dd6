"""What the site refuses to the person in front of it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.errors import AppError, Conflict, Forbidden, InvalidRequest, NotFound, Unauthorized
from portal.signin_failures import FAILURES, UNVERIFIED


class PortalError(AppError):
    """The base of this app's own refusals. `title` heads the page that shows one.

    `next_path` is where a sign-in that it ends would have led, and `said_by` the identity provider
    whose answer it was, where there are several.
    """

    title: StrOrPromise = _("Something went wrong")
    next_path: str = "/"
    said_by: str = ""


class SignInRequired(PortalError, Unauthorized):
    """Nobody is signed in."""

    code = "sign_in_required"
    title = _("You are not signed in any more")
    message = _("Please sign in to go on.")


class SignInExpired(SignInRequired):
    """The sign-in is over: ended, or the identity provider no longer renews it."""

    code = "sign_in_expired"
    message = _("Your sign-in has expired. Please sign in again.")


class SignInRefused(PortalError):
    """Nobody was signed in. `code` says which check failed, for the audit trail."""

    def __init__(self, code: str, *, detail: str = "") -> None:
        told = FAILURES.get(code, UNVERIFIED)
        super().__init__(told.message, detail=detail)
        self.code, self.title, self.status = code, told.title, told.status


class SignedInAlready(PortalError):
    """Somebody of another identity provider is signed in with this browser, and stays so.

    `place` is what the provider is called that is not asked, or not believed.
    """

    code = "signed_in_already"
    status = 409
    title = _("Somebody is signed in here already")

    def __init__(self, *, person: str, place: str) -> None:
        super().__init__(
            _(
                "You are signed in as %(person)s. Nothing was changed. To use your account at "
                "%(place)s, sign out first."
            )
            % {"person": person, "place": place}
        )


class LogoutRefused(PortalError):
    """A logout token that proves nothing. `code` says which check failed, for the audit trail."""

    status = 400
    message = _("The logout token is not one to obey.")

    def __init__(self, code: str, *, detail: str = "") -> None:
        super().__init__(detail=detail)
        self.code = code


class ProviderAway(PortalError):
    """The identity provider does not answer; the same may work later."""

    code = "provider_away"
    status = 503
    title = _("Signing in does not work right now")
    message = _(
        "Your organisation's sign-in service does not answer. Nothing is wrong with your account. "
        "Try again in a few minutes."
    )


class ProviderMisconfigured(PortalError):
    """The identity provider's own description cannot be used; an admin has to act."""

    code = "provider_misconfigured"
    status = 502
    title = _("Signing in is not set up correctly")
    message = _("Only an administrator can put this right. Tell one the reference below.")


class ProviderGone(ProviderMisconfigured):
    """The identity provider that somebody signed in with is none of this site's any more."""

    code = "provider_gone"


class NotAnAdministrator(PortalError, Forbidden):
    """Somebody is signed in, and does not administer the site."""

    code = "not_an_administrator"
    title = _("This page is for administrators")
    message = _("Here they look after agents and services.")


class PageNotFound(PortalError, NotFound):
    """There is no such conversation or run, or it is somebody else's."""


class AgentForPrograms(PageNotFound):
    """There is no chat with this agent, which the person may use: programs are its callers."""

    code = "agent_for_programs"
    title = _("This agent is for programs")

    def __init__(self, *, name: str, protocol: str, url: str) -> None:
        told = {"name": name, "protocol": protocol, "url": url}
        super().__init__(
            _("There is no chat with %(name)s. Programs reach it over %(protocol)s, at %(url)s")
            % told
        )


class MessageRefused(PortalError, InvalidRequest):
    """The message is empty or too long."""

    code = "message_refused"


class AttachmentRefused(PortalError, InvalidRequest):
    """A file cannot be attached."""

    code = "attachment_refused"


class TitleRefused(PortalError, InvalidRequest):
    """A conversation's name is empty or too long."""

    code = "title_refused"


class AnswerUnderWay(PortalError, Conflict):
    """A conversation has one answer at a time."""

    code = "answer_under_way"
    message = _("The agent is still answering. Wait for it, or stop it first.")


class FeedbackRefused(PortalError, InvalidRequest):
    """What is said of an answer is too long, or about nothing that was wrong."""

    code = "feedback_refused"


class NotTheLastAnswer(PortalError, Conflict):
    """Only the newest answer can be asked for again, and only once it is over."""

    code = "not_the_last_answer"
    message = _("Only the last answer can be asked for again.")


class RunOver(PortalError, Conflict):
    """A run that has ended takes nothing more."""

    code = "run_over"


class ApprovalRefused(PortalError, InvalidRequest):
    """What was filled in is not what the agent asked for."""

    code = "approval_refused"
    message = _("The agent asked for something else. Reload the page and try again.")


class ApprovalAnswered(PortalError, Conflict):
    """The request was answered before: by another click, in another tab."""

    code = "approval_answered"
    message = _("You have answered this already. Nothing was sent again.")


class ApprovalOver(PortalError, Conflict):
    """The run that asked has ended, or the time to answer has."""

    code = "approval_over"
    message = _("The agent does not wait for this any more. Nothing was sent.")


class AnswerNotPossible(PortalError):
    """Nobody can say whether the run still waits for an answer."""

    code = "answer_not_possible"
    status = 503
    message = _("Your answer could not be taken right now. Please try again.")


class StopNotPossible(PortalError):
    """Whoever executes the run cannot be reached."""

    code = "stop_not_possible"
    status = 503
    message = _("The answer could not be stopped right now. Please try again.")
