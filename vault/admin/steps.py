"""What to do at a vendor, step by step, before its provider works here."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from vault.vendors.names import VendorName
from vault.vendors.vendor import Vendor

# Where each vendor has its customers register apps, where that is one place for all of them.
_CONSOLES: Mapping[str, str] = {
    VendorName.ATLASSIAN: "https://developer.atlassian.com/console/myapps/",
    VendorName.AUTH0: "https://manage.auth0.com/",
    VendorName.COGNITO: "https://console.aws.amazon.com/cognito/",
    VendorName.DROPBOX: "https://www.dropbox.com/developers/apps",
    VendorName.FACEBOOK: "https://developers.facebook.com/apps/",
    VendorName.GITHUB: "https://github.com/settings/apps",
    VendorName.GOOGLE: "https://console.cloud.google.com/apis/credentials",
    VendorName.HUBSPOT: "https://app.hubspot.com/developer",
    VendorName.LINKEDIN: "https://www.linkedin.com/developers/apps",
    VendorName.MICROSOFT: "https://entra.microsoft.com/",
    VendorName.NOTION: "https://www.notion.so/my-integrations",
    VendorName.PINGONE: "https://console.pingone.com/",
    VendorName.REDDIT: "https://www.reddit.com/prefs/apps",
    VendorName.SLACK: "https://api.slack.com/apps",
    VendorName.SPOTIFY: "https://developer.spotify.com/dashboard",
    VendorName.TWITCH: "https://dev.twitch.tv/console/apps",
    VendorName.X: "https://developer.x.com/en/portal/dashboard",
    VendorName.YANDEX: "https://oauth.yandex.com/",
    VendorName.ZOOM: "https://marketplace.zoom.us/user/build",
}


def steps_for(vendor: Vendor) -> str:
    """Return the steps as a list in HTML, in the language that is active."""
    said = {"vendor": _("the provider") if vendor.name == VendorName.CUSTOM else vendor.name.label}
    register = _(
        "Register an app at %(vendor)s: a confidential web client, with the scopes that agents "
        "will ask for."
    )
    register %= said
    console = _CONSOLES.get(vendor.name)
    if console:
        register = format_html(
            '{} <a href="{}" target="_blank" rel="noopener">{}</a>', register, console, console
        )
    steps = (
        register,
        _("Enter its client id and secret below, and save."),
        _("Register the callback URL, which is shown below then, at %(vendor)s, exactly as it is.")
        % said,
        _("Press Test: it says whether %(vendor)s knows this site's client, and if not, why.")
        % said,
    )
    return format_html(
        '<ol class="steps">{}</ol>', format_html_join("", "<li>{}</li>", ((s,) for s in steps))
    )
