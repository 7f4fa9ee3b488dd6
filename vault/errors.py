"""What the outbound side refuses."""

from __future__ import annotations

from typing import Self

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.errors import AppError, Conflict, Forbidden, InvalidRequest, NotFound
from core.oauth import GrantRejected, OAuthError


class VaultError(AppError):
    """The base of this app's own refusals."""


class ProviderUnknown(VaultError, NotFound):
    """There is no credential provider of this name."""

    code = "provider_not_found"
    message = _("There is no credential provider of this name.")


class ProviderExists(VaultError, Conflict):
    """There is a credential provider of this name already."""

    code = "provider_exists"
    message = _("There is a credential provider of this name already.")


class ProviderDisabled(VaultError, Forbidden):
    """An admin switched the provider off."""

    code = "provider_disabled"
    message = _("This service has been switched off by an administrator.")


class ProviderNotAllowed(VaultError, Forbidden):
    """The provider does not list the workload identity."""

    code = "provider_not_allowed"
    message = _(
        "The workload identity may not use this credential provider. An administrator opens it "
        "under “Who may ask” on the provider's page."
    )


class ProviderUnavailable(VaultError):
    """The provider's metadata cannot be had, and none is cached. Nothing was sent to it."""

    code = "provider_unavailable"
    status = 503
    message = _("The service does not answer right now. Try again in a moment.")


class ProviderMetadataWrong(VaultError):
    """The provider's metadata is not what RFC 8414 asks for; an admin has to act."""

    code = "provider_metadata_wrong"
    status = 502
    message = _("The service describes itself in a way that cannot be trusted.")


class FlowNotSupported(VaultError, InvalidRequest):
    """The OAuth flow is one that this site does not offer, or that this token cannot take."""

    code = "flow_not_supported"


class PersonMissing(FlowNotSupported):
    """The flow is one for a person, and the workload access token names none."""

    code = "person_missing"


class ScopeRefused(OAuthError, InvalidRequest):
    """The provider gives nobody these scopes (RFC 6749 section 5.2); its words are the message."""

    code = "scope_refused"
    status = 400
    aws = "ValidationException"


class TargetRefused(OAuthError, InvalidRequest):
    """The provider issues no tokens for this audience or resource (RFC 8693 section 2.2.2)."""

    code = "target_refused"
    status = 400
    aws = "ValidationException"


class SubjectTokenMissing(VaultError, InvalidRequest):
    """There is nothing to exchange: no token of the person came with the call."""

    code = "subject_token_missing"
    message = _(
        "The workload access token carries no token of the person to exchange. It does where they "
        "called with one (GetWorkloadAccessTokenForJWT, or an agent that asks for tokens), unless "
        "that is longer than 4,096 characters."
    )


class SubjectTokenRefused(VaultError, Forbidden):
    """The token that the person called with is not good any more; a new call brings a new one."""

    code = "subject_token_refused"

    @classmethod
    def here(cls, reason: str) -> Self:
        """Return the refusal of this site, by the stable code of why."""
        return cls(
            f"The person's token is not good any more ({reason}). Call the agent again with a "
            "fresh one.",
            detail=reason,
        )

    @classmethod
    def there(cls, refusal: GrantRejected) -> Self:
        """Return the refusal of the provider, in its own words, which are redacted."""
        return cls(
            format_lazy("{} {}", _("The person's token cannot be exchanged."), refusal.message),
            detail=refusal.detail,
        )


class ParameterReserved(VaultError, InvalidRequest):
    """A custom parameter could get more than the scopes say, or replace the request."""

    code = "parameter_reserved"

    @classmethod
    def because(cls, name: str, reason: str) -> Self:
        """Return the refusal of the parameter `name`."""
        return cls(f"customParameters may not set {name!r} ({reason}).")


class AudienceFixed(VaultError, InvalidRequest):
    """The tokens of this provider have one audience, and another one was asked for."""

    code = "audience_fixed"

    @classmethod
    def at(cls, provider: str, audience: str) -> Self:
        """Return the refusal, with the audience that would do."""
        return cls(f"The tokens of {provider!r} are for the audience {audience!r} alone.")


class ReturnUrlMissing(VaultError, InvalidRequest):
    """Consent needs a page to end at."""

    code = "return_url_missing"
    message = _("You must provide a ResourceOauth2ReturnUrl to proceed with this flow")


class ReturnUrlNotAllowed(VaultError, InvalidRequest):
    """Consent may not end at this page."""

    code = "return_url_not_allowed"

    @classmethod
    def because(cls, return_url: str, workload: str, reason: str) -> Self:
        """Return the refusal, in the real service's words and with what to put right."""
        return cls(
            "You must register and use at least one ResourceOauth2ReturnUrl on your workload "
            f"identity to use this flow: {return_url!r} {reason} for {workload!r}."
        )


class GrantUnknown(VaultError, NotFound):
    """The person has no such connection."""

    code = "grant_not_found"
    message = _("There is no such connection.")


class AnswerInvalid(VaultError, InvalidRequest):
    """What came to the redirect URI answers no request of this site. Nothing was done."""

    code = "consent_answer_invalid"
    outcome = "unknown"  # of the page
    message = _("This page was opened without a request for consent. Nothing was connected.")


class AnswerOvertaken(AnswerInvalid):
    """This browser has opened the request again since; the newer page is the one to go on with."""

    code = "consent_answer_overtaken"
    outcome = "overtaken"


class SessionUnknown(VaultError, Forbidden):
    """There is no such consent session, or not for this caller."""

    code = "consent_unknown"
    message = _("Invalid or expired session: there is no such request for consent.")


class SessionBusy(VaultError, Conflict):
    """The session is not at the step that was asked for."""

    code = "consent_not_ready"
    message = _("The person has not consented yet.")
