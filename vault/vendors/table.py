"""The vendors, one row each, as their own documentation describes them.

Each row names the pages to hold it against; in November 2026 not all of them could be read whole.
"Not verified" marks what they were not seen to say; the standard's own rule was taken instead.

PKCE is sent to everybody but to those who say that it has to be switched on for an app: a server
ignores parameters that it does not know (RFC 6749 section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from core.dialect import Dialect
from vault.vendors import answers, ending
from vault.vendors.names import VendorName
from vault.vendors.vendor import Place, Vendor

_GRAPH = "https://graph.facebook.com/v25.0"

_ROWS = (
    Vendor(name=VendorName.CUSTOM, place=Place.CUSTOM),
    # developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps
    # It documents no revocation endpoint. Its token endpoint is documented with JSON; refused
    # refreshes are 403 and `unauthorized_client`.
    Vendor(
        name=VendorName.ATLASSIAN,
        issuer="https://auth.atlassian.com",
        authorization="https://auth.atlassian.com/authorize",
        token="https://auth.atlassian.com/oauth/token",  # noqa: S106 (an address)
        account_url="https://id.atlassian.com/manage-profile/apps",
        auth="client_secret_post",
        authorize={"audience": "api.atlassian.com", "prompt": "consent"},
        refresh_scope="offline_access",
        dialect=Dialect(sends_json=True, rejected=frozenset({"refresh_token is invalid"})),
    ),
    # auth0.com/docs/api/authentication: /oauth/revoke takes refresh tokens alone.
    Vendor(
        name=VendorName.AUTH0,
        place=Place.OWN_ISSUER,
        revocation="revoke",
        ends=ending.refresh_token,
        auth="client_secret_post",
        refresh_scope="offline_access",
    ),
    # docs.aws.amazon.com/cognito/latest/developerguide/revocation-endpoint.html: refresh tokens
    # alone. It gives refresh tokens without being asked, and refuses the scope offline_access.
    Vendor(
        name=VendorName.COGNITO,
        place=Place.OWN_ISSUER,
        revocation="revoke",
        ends=ending.refresh_token,
    ),
    # Not verified: its revocation address beside the token endpoint's, so none is taken unless its
    # metadata name one. A refresh token comes where the app's settings say so.
    Vendor(name=VendorName.CYBERARK, place=Place.OWN_ISSUER),
    # dropbox.com/developers/documentation/http/documentation: /2/auth/token/revoke ends the token
    # it is called with, and with it the refresh token.
    Vendor(
        name=VendorName.DROPBOX,
        issuer="https://www.dropbox.com",
        authorization="https://www.dropbox.com/oauth2/authorize",
        token="https://api.dropboxapi.com/oauth2/token",  # noqa: S106 (an address)
        revocation="https://api.dropboxapi.com/2/auth/token/revoke",
        ends=ending.as_bearer,
        account_url="https://www.dropbox.com/account/connected_apps",
        auth="client_secret_post",
        authorize={"token_access_type": "offline"},
        dialect=Dialect(ended=frozenset({"invalid_access_token", "expired_access_token"})),
    ),
    # developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow. It has no refresh
    # tokens. Errors are objects: code 100 tells of the code, 101 and 1 of the app.
    Vendor(
        name=VendorName.FACEBOOK,
        issuer="https://www.facebook.com",
        authorization="https://www.facebook.com/v25.0/dialog/oauth",
        token=f"{_GRAPH}/oauth/access_token",
        revocation=f"{_GRAPH}/me/permissions",
        ends=ending.facebook,
        account_url="https://www.facebook.com/settings?tab=applications",
        auth="client_secret_post",
        scope_separator=",",
        dialect=Dialect(rejected=frozenset({"100"}), ended=frozenset({"190"})),
    ),
    # fusionauth.io/docs/lifecycle/authenticate-users/oauth/endpoints: it has no revocation endpoint
    # for an OAuth client.
    Vendor(name=VendorName.FUSIONAUTH, place=Place.OWN_ISSUER, refresh_scope="offline_access"),
    # docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps. Errors have the
    # status 200; the answer is a form unless JSON is asked for; scopes come back with commas.
    # Refresh tokens are a setting of a GitHub App ("Expire user authorization tokens").
    Vendor(
        name=VendorName.GITHUB,
        issuer="https://github.com/login/oauth",
        authorization="https://github.com/login/oauth/authorize",
        token="https://github.com/login/oauth/access_token",  # noqa: S106 (an address)
        revocation="https://api.github.com/applications",
        ends=ending.github,
        account_url="https://github.com/settings/applications",
        auth="client_secret_post",
        dialect=Dialect(
            scope_separator=",",
            rejected=frozenset({"bad_refresh_token", "bad_verification_code"}),
            ended=frozenset({"Not Found"}),
        ),
    ),
    # developers.google.com/identity/protocols/oauth2/web-server. Without `prompt=consent` a second
    # consent gives no refresh token. Either token ends all that the person granted the app.
    Vendor(
        name=VendorName.GOOGLE,
        issuer="https://accounts.google.com",
        authorization="https://accounts.google.com/o/oauth2/v2/auth",
        token="https://oauth2.googleapis.com/token",  # noqa: S106 (an address)
        revocation="https://oauth2.googleapis.com/revoke",
        ends=ending.either,
        account_url="https://myaccount.google.com/connections",
        auth="client_secret_post",
        authorize={"access_type": "offline", "prompt": "consent"},
        dialect=Dialect(ended=frozenset({"invalid_token"})),
    ),
    # developers.hubspot.com/docs/api-reference/auth-oauth-v3/guide. v1 ends in February 2027.
    # Revocation deletes refresh tokens alone. Not verified: its address under v3, taken from
    # /oauth/2026-03/token/revoke, the next version's.
    Vendor(
        name=VendorName.HUBSPOT,
        issuer="https://app.hubspot.com",
        authorization="https://app.hubspot.com/oauth/authorize",
        token="https://api.hubapi.com/oauth/v3/token",  # noqa: S106 (an address)
        revocation="https://api.hubapi.com/oauth/v3/token/revoke",
        ends=ending.refresh_token,
        auth="client_secret_post",
        dialect=Dialect(rejected=frozenset({"BAD_REFRESH_TOKEN", "BAD_AUTH_CODE"})),
    ),
    # learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow. PKCE is for native
    # apps, and LinkedIn switches it on for each. Scopes come back with commas. Refresh tokens are
    # for approved partners.
    # Not verified: that it has a revocation endpoint; the documentation names none.
    Vendor(
        name=VendorName.LINKEDIN,
        issuer="https://www.linkedin.com/oauth",
        authorization="https://www.linkedin.com/oauth/v2/authorization",
        token="https://www.linkedin.com/oauth/v2/accessToken",  # noqa: S106 (an address)
        account_url="https://www.linkedin.com/mypreferences/d/data-sharing-for-permitted-services",
        auth="client_secret_post",
        pkce=False,
        dialect=Dialect(scope_separator=","),
    ),
    # learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow. It has no revocation
    # endpoint. `interaction_required` answers a refresh after which the person has to come again.
    Vendor(
        name=VendorName.MICROSOFT,
        place=Place.TENANT,
        issuer="https://login.microsoftonline.com/{tenant}/v2.0",
        authorization="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
        token="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106 (same)
        account_url="https://myapps.microsoft.com",
        auth="client_secret_post",
        refresh_scope="offline_access",
        dialect=Dialect(rejected=frozenset({"interaction_required", "consent_required"})),
    ),
    # developers.notion.com/reference/create-a-token: JSON, a version header, and no scopes.
    Vendor(
        name=VendorName.NOTION,
        issuer="https://api.notion.com",
        authorization="https://api.notion.com/v1/oauth/authorize",
        token="https://api.notion.com/v1/oauth/token",  # noqa: S106 (an address)
        revocation="https://api.notion.com/v1/oauth/revoke",
        ends=ending.access_token,
        authorize={"owner": "user"},
        dialect=Dialect(sends_json=True, headers={"Notion-Version": "2025-09-03"}),
    ),
    # developer.okta.com/docs/api/openapi/okta-oauth
    Vendor(
        name=VendorName.OKTA,
        place=Place.OWN_ISSUER,
        revocation="revoke",
        refresh_scope="offline_access",
    ),
    # developers.onelogin.com/openid-connect/api/revoke-session. Its way of authentication is a
    # setting of the app; POST is what AWS has an admin choose.
    Vendor(
        name=VendorName.ONELOGIN,
        place=Place.OWN_ISSUER,
        revocation="token/revocation",
        auth="client_secret_post",
        refresh_scope="offline_access",
    ),
    # developer.pingidentity.com/pingone-api/auth: /as/revoke beside /as/token. Its way of
    # authentication is a setting of the app; so is the refresh token.
    Vendor(
        name=VendorName.PINGONE,
        place=Place.OWN_ISSUER,
        revocation="revoke",
        auth="client_secret_post",
    ),
    # github.com/reddit-archive/reddit/wiki/OAuth2. A bad refresh token is answered by 400 and
    # "Bad Request", a bad client by 401.
    Vendor(
        name=VendorName.REDDIT,
        issuer="https://www.reddit.com",
        authorization="https://www.reddit.com/api/v1/authorize",
        token="https://www.reddit.com/api/v1/access_token",  # noqa: S106 (an address)
        revocation="https://www.reddit.com/api/v1/revoke_token",
        account_url="https://www.reddit.com/prefs/apps",
        authorize={"duration": "permanent"},
        dialect=Dialect(rejected=frozenset({"Bad Request"})),
    ),
    # help.salesforce.com, "OAuth 2.0 Web Server Flow". It never says how long a token lives, which
    # is an org's session timeout: at least 15 minutes.
    Vendor(
        name=VendorName.SALESFORCE,
        issuer="https://login.salesforce.com",
        authorization="https://login.salesforce.com/services/oauth2/authorize",
        token="https://login.salesforce.com/services/oauth2/token",  # noqa: S106 (an address)
        revocation="https://login.salesforce.com/services/oauth2/revoke",
        ends=ending.either,
        auth="client_secret_post",
        refresh_scope="refresh_token",
        dialect=Dialect(
            assumed_lifetime_s=900,
            ended=frozenset({"unsupported_token_type", "invalid_token"}),
        ),
    ),
    # docs.slack.dev/authentication/installing-with-oauth. A person's scopes are `user_scope`; what
    # stands in `scope` is granted to a bot. PKCE has to be switched on for an app, which makes it
    # a public client for good. Errors have the status 200. Refresh tokens are a setting of the app.
    Vendor(
        name=VendorName.SLACK,
        issuer="https://slack.com",
        authorization="https://slack.com/oauth/v2/authorize",
        token="https://slack.com/api/oauth.v2.access",  # noqa: S106 (an address)
        revocation="https://slack.com/api/auth.revoke",
        ends=ending.as_bearer,
        pkce=False,
        scope_parameter="user_scope",
        scope_separator=",",
        dialect=Dialect(
            read=answers.slack,
            scope_separator=",",
            rejected=frozenset(
                {
                    *("invalid_code", "code_already_used", "code_expired"),
                    *("invalid_refresh_token", "token_expired", "token_revoked"),
                }
            ),
            ended=frozenset({"invalid_auth", "token_revoked", "token_expired", "account_inactive"}),
        ),
    ),
    # developer.spotify.com/documentation/web-api/tutorials/code-flow. It has no revocation
    # endpoint, and often sends no new refresh token.
    Vendor(
        name=VendorName.SPOTIFY,
        issuer="https://accounts.spotify.com",
        authorization="https://accounts.spotify.com/authorize",
        token="https://accounts.spotify.com/api/token",  # noqa: S106 (an address)
        account_url="https://www.spotify.com/account/apps/",
    ),
    # dev.twitch.tv/docs/authentication. Scopes come back as a list; refusals are a number and a
    # message. Revocation takes access tokens alone.
    Vendor(
        name=VendorName.TWITCH,
        issuer="https://id.twitch.tv/oauth2",
        authorization="https://id.twitch.tv/oauth2/authorize",
        token="https://id.twitch.tv/oauth2/token",  # noqa: S106 (an address)
        revocation="https://id.twitch.tv/oauth2/revoke",
        ends=ending.access_token,
        account_url="https://www.twitch.tv/settings/connections",
        auth="client_secret_post",
        dialect=Dialect(
            rejected=frozenset({"Invalid refresh token", "Invalid authorization code"}),
            ended=frozenset({"Invalid token"}),
        ),
    ),
    # docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token. A bad token or code is
    # refused as `invalid_request`.
    Vendor(
        name=VendorName.X,
        issuer="https://x.com",
        authorization="https://x.com/i/oauth2/authorize",
        token="https://api.x.com/2/oauth2/token",  # noqa: S106 (an address)
        revocation="https://api.x.com/2/oauth2/revoke",
        account_url="https://x.com/settings/connected_apps",
        refresh_scope="offline.access",
        dialect=Dialect(
            rejected=frozenset(
                {
                    "Value passed for the token was invalid.",
                    "Value passed for the authorization code was invalid.",
                }
            )
        ),
    ),
    # yandex.com/dev/id/doc/en/tokens/token-invalidate: only a token that was asked for with a
    # device's id can be revoked by an app, and ours are not.
    Vendor(
        name=VendorName.YANDEX,
        issuer="https://oauth.yandex.com",
        authorization="https://oauth.yandex.com/authorize",
        token="https://oauth.yandex.com/token",  # noqa: S106 (an address)
        account_url="https://id.yandex.com/personal/data-access",
    ),
    # developers.zoom.us/docs/integrations/oauth. Not verified: that revocation takes refresh
    # tokens; it is documented with an access token, which ends the refresh token with it.
    Vendor(
        name=VendorName.ZOOM,
        issuer="https://zoom.us",
        authorization="https://zoom.us/oauth/authorize",
        token="https://zoom.us/oauth/token",  # noqa: S106 (an address)
        revocation="https://zoom.us/oauth/revoke",
        ends=ending.access_token,
        account_url="https://marketplace.zoom.us/user/installed",
    ),
)

VENDORS: Mapping[str, Vendor] = {row.name.value: row for row in _ROWS}
