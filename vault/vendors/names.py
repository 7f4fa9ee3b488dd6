"""The vendors that the wire API knows (`CredentialProviderVendorType`), as people call them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class VendorName(models.TextChoices):
    """A vendor; its value is the wire API's."""

    CUSTOM = "CustomOauth2", _("any OAuth 2.0 provider")
    ATLASSIAN = "AtlassianOauth2", "Atlassian"
    AUTH0 = "Auth0Oauth2", "Auth0"
    COGNITO = "CognitoOauth2", "Amazon Cognito"
    CYBERARK = "CyberArkOauth2", "CyberArk Identity"
    DROPBOX = "DropboxOauth2", "Dropbox"
    FACEBOOK = "FacebookOauth2", "Facebook"
    FUSIONAUTH = "FusionAuthOauth2", "FusionAuth"
    GITHUB = "GithubOauth2", "GitHub"
    GOOGLE = "GoogleOauth2", "Google"
    HUBSPOT = "HubspotOauth2", "HubSpot"
    LINKEDIN = "LinkedinOauth2", "LinkedIn"
    MICROSOFT = "MicrosoftOauth2", "Microsoft"
    NOTION = "NotionOauth2", "Notion"
    OKTA = "OktaOauth2", "Okta"
    ONELOGIN = "OneLoginOauth2", "OneLogin"
    PINGONE = "PingOneOauth2", "PingOne"
    REDDIT = "RedditOauth2", "Reddit"
    SALESFORCE = "SalesforceOauth2", "Salesforce"
    SLACK = "SlackOauth2", "Slack"
    SPOTIFY = "SpotifyOauth2", "Spotify"
    TWITCH = "TwitchOauth2", "Twitch"
    X = "XOauth2", "X"
    YANDEX = "YandexOauth2", "Yandex"
    ZOOM = "ZoomOauth2", "Zoom"
