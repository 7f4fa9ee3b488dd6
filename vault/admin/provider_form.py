"""The form of a provider: what its vendor needs to be told, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.secret import Secret
from vault.admin.steps import steps_for
from vault.models import CredentialProvider
from vault.models.kept_secret import SecretReference, SecretSource
from vault.models.providers import AssertionClaims
from vault.providers import moving
from vault.vendors.names import VendorName
from vault.vendors.table import VENDORS
from vault.vendors.vendor import Place, Vendor

Fieldsets = tuple[tuple[StrOrPromise | None, dict[str, Any]], ...]

_FOLDED = ("collapse",)
_ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint")
_WHERE: Mapping[Place, tuple[str, ...]] = {
    Place.FIXED: (),
    Place.TENANT: ("tenant_id",),
    Place.OWN_ISSUER: _ENDPOINTS,
    Place.CUSTOM: (
        *("discovery_url", *_ENDPOINTS, "issuer_announces_iss"),
        *("response_types", "token_endpoint_auth_methods"),
    ),
}
_TOLD: Mapping[Place, StrOrPromise] = {
    Place.OWN_ISSUER: _(
        "The issuer is enough where it publishes metadata. Otherwise enter both endpoints as well."
    ),
    Place.CUSTOM: _("The discovery URL tells everything else. Without one, enter the endpoints."),
}
# What has to be set at the vendor, where nothing that is sent from here would do.
_HINTS: Mapping[str, StrOrPromise] = {
    VendorName.GITHUB: _(
        "Refresh tokens are a setting of a GitHub App: “Expire user authorization tokens”. "
        "Those of an OAuth App do not expire."
    ),
    VendorName.SLACK: _(
        "Agents get the person's own token, never the bot's. Tokens expire, and are refreshed, "
        "where the app has token rotation switched on. Leave PKCE switched off."
    ),
    VendorName.LINKEDIN: _("Refresh tokens are given to approved partners only."),
    VendorName.MICROSOFT: _("Without a tenant, accounts of every organisation may consent."),
    VendorName.FACEBOOK: _("There are no refresh tokens: people are asked again after 60 days."),
    VendorName.PINGONE: _("Switch refresh tokens on in the application's settings."),
    VendorName.OKTA: _(
        "The issuer of an authorization server, such as https://acme.okta.com/oauth2/default. "
        "Switch the refresh token grant on in the application."
    ),
    VendorName.AUTH0: _(
        "The tenant's issuer, such as https://acme.eu.auth0.com/. Allow offline access for the API."
    ),
    VendorName.COGNITO: _(
        "The pool's issuer, such as https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab1."
    ),
}


def vendor_of(value: str | None) -> Vendor | None:
    """Return the vendor that a form or a link names, or None."""
    return VENDORS.get(value or "")


def fieldsets_for(vendor: Vendor, *, is_new: bool) -> Fieldsets:
    """Return the parts of the form that a provider of `vendor` needs."""
    fixed = vendor.place is Place.FIXED
    client = ("client_id", *(() if fixed else ("client_auth",)), "client_secret")
    where = (*_WHERE[vendor.place], "account_url")
    status = () if is_new else ("status_now",)
    top = ("vendor", *status, "name", "display_name", "enabled", "callback_url")
    external = ("secret_source", "external_secret_id", "external_json_key")
    signed = ("private_key_source", "signing_algorithm", "header_claims", "payload_claims")
    exchanged = ("obo_grant_type", "obo_actor", "obo_actor_scopes", "obo_client_auth")
    hint = _HINTS.get(vendor.name, "")
    by_choice: Fieldsets = (
        (_("Authentication by an assertion"), {"fields": signed, "classes": _FOLDED}),
        (_("On behalf of whoever called the agent"), {"fields": exchanged, "classes": _FOLDED}),
    )
    return (
        (None, {"fields": top, "description": steps_for(vendor)}),
        (_("Client"), {"fields": client, "description": hint}),
        (_("A secret in AWS Secrets Manager"), {"fields": external, "classes": _FOLDED}),
        (_("Where it answers"), {"fields": where, "description": _TOLD.get(vendor.place, "")}),
        *(() if fixed else by_choice),
        (_("Who may ask"), {"fields": ("any_workload", "workloads")}),
        (_("What people are asked"), {"fields": ("scope_words", "extra_authorize_params")}),
        (_("How connections are kept fresh"), {"fields": ("refresh_grace_s", "refresh_at_once")}),
    )


# Of what is sealed, on the form of something that has it already.
STAYS = _("Kept sealed and never shown. Empty: the one that is kept stays.")


class _NewClaims(forms.JSONField):
    """Claims that go in and never come out."""

    def __init__(self, label: StrOrPromise) -> None:
        super().__init__(
            label=label,
            required=False,
            widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            help_text=_(
                'Up to ten names and texts: {"x5t": "…"}. Kept sealed and never shown. Both empty: '
                "those that are kept stay. {}: none."
            ),
        )

    def clean(self, value: Any) -> dict[str, str] | None:
        """Return the claims; None where nothing was typed."""
        given = super().clean(value)
        if given is None:
            return None
        is_flat = isinstance(given, dict) and all(isinstance(v, str) for v in given.values())
        if not is_flat or len(given) > 10:  # noqa: PLR2004  (the wire API's bound)
            raise ValidationError(_("Enter an object of up to ten names and texts."))
        return dict(given)


class ProviderForm(forms.ModelForm[CredentialProvider]):
    """A provider, with a client secret that goes in and never comes out."""

    client_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        strip=True,
        max_length=2048,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=_("Kept sealed and never shown."),
    )
    secret_source = forms.ChoiceField(
        label=_("The secret is"), choices=SecretSource, required=False
    )
    header_claims = _NewClaims(_("Added to the header"))
    payload_claims = _NewClaims(_("Added to the claims"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            self.fields["client_secret"].help_text = STAYS
        vendor = vendor_of(self.data.get("vendor") or self.initial.get("vendor"))
        if vendor is not None and self.instance._state.adding:
            # The form was made for this one; another would need other fields.
            cast(forms.ChoiceField, self.fields["vendor"]).choices = [
                (vendor.name.value, vendor.name.label)
            ]
            self.instance.client_auth = self.initial["client_auth"] = vendor.auth

    def clean(self) -> dict[str, Any]:
        """Ask for the secret where there is none yet and one is needed, in one place."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("secret_source") != SecretSource.EXTERNAL:
            cleaned |= {
                "secret_source": SecretSource.MANAGED,
                "external_secret_id": "",
                "external_json_key": "",
            }
        auth = cleaned.get("client_auth", self.instance.client_auth)
        wants = auth in CredentialProvider.BY_SECRET
        given = bool(cleaned.get("client_secret"))
        if cleaned["secret_source"] == SecretSource.EXTERNAL:
            self._check_external(cleaned, wants=wants, given=given)
        elif wants and not given and self.instance.secret_sealed is None:
            self.add_error("client_secret", _("Needed, except by a public client."))
        elif given and not wants:
            self.add_error("client_secret", _("A public client has no secret."))
        self._check_moved(cleaned, secret_stays=wants and not given)
        self._claims(cleaned)
        return cleaned

    def _check_moved(self, cleaned: dict[str, Any], *, secret_stays: bool) -> None:
        if self.instance._state.adding:
            return
        problems = moving.problems_of(self.instance, cleaned, secret_stays=secret_stays)
        for field, problem in problems.items():
            self.add_error(field, problem)

    def _check_external(self, cleaned: dict[str, Any], *, wants: bool, given: bool) -> None:
        if given or not wants:
            self.add_error("client_secret", _("Leave this empty: the secret is kept elsewhere."))
        for name in ("external_secret_id", "external_json_key"):
            if not cleaned.get(name):
                self.add_error(name, _("Needed to read the secret from AWS Secrets Manager."))

    def _claims(self, cleaned: dict[str, Any]) -> None:
        header, payload = cleaned.get("header_claims"), cleaned.get("payload_claims")
        if header is None and payload is None:
            return
        try:
            self.instance.seal_assertion_claims(AssertionClaims(header or {}, payload or {}))
        except ValidationError as exc:
            self.add_error("header_claims", exc)

    def secret(self) -> Secret | SecretReference | None:
        """Return the secret that was typed, or where it is kept; None: it stays as it was."""
        if self.cleaned_data["secret_source"] == SecretSource.EXTERNAL:
            return SecretReference(
                self.cleaned_data["external_secret_id"], self.cleaned_data["external_json_key"]
            )
        given = self.cleaned_data["client_secret"]
        return Secret(given) if given else None
