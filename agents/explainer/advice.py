"""What to do about a refusal, in words: made of its code, what was compared, and the token's kind.

The same for the explainer, which has just looked, and for the audit trail, which kept as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

_CLIENT_CLAIMS = ("azp", "appid", "cid")
_GRAPH = ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com")


@dataclass(frozen=True, slots=True)
class _Refused:
    expected: Sequence[str]
    found: Sequence[str]
    token: Mapping[str, Any]

    @property
    def wanted(self) -> str:
        return ", ".join(self.expected)

    @property
    def got(self) -> str:
        return ", ".join(self.found)

    def said(self, claim: str) -> list[str]:
        value = self.token.get(claim, [])
        return [str(item) for item in value] if isinstance(value, list) else []

    @property
    def is_id_token(self) -> bool:
        return bool(self.token.get("kind") == "id")


def fix_for(
    code: str, expected: Sequence[str], found: Sequence[str], token: Mapping[str, Any]
) -> str:
    """Return what to do about a refusal, or the empty string where nobody has advice."""
    advise = _ADVICE.get(code)
    if advise is not None:
        return advise(_Refused(expected, found, token))
    return str(_FIXED.get(code, ""))


def _format(refused: _Refused) -> str:
    if refused.got == "5 parts":
        return _(
            "This is an encrypted token (JWE), which only its recipient can read. Ask the identity "
            "provider for a signed access token for this agent."
        )
    if refused.got == "1 parts":
        return _(
            "This is an opaque token, not a JWT, so that nobody but its issuer can read it. Ask "
            "for a JWT: at Auth0 by an audience, at Okta by a custom authorization server."
        )
    return _(
        "It is not a whole JWT: three parts of base64url with points between, as the identity "
        "provider sent them. Look for a token that was cut, quoted or pasted with more around it."
    )


def _algorithm(refused: _Refused) -> str:
    alg = refused.got
    if alg.startswith("HS"):
        return _(
            "The token is signed with a shared secret (%(alg)s), which this site does not have and "
            "does not take. Let the identity provider sign with RS256 or ES256."
        ) % {"alg": alg}
    return _("Let the identity provider sign with one of %(wanted)s; RS256 is the usual one.") % {
        "wanted": refused.wanted
    }


def _issuer(refused: _Refused) -> str:
    wanted, got = refused.wanted, refused.got
    if not got:
        return _("The token names no issuer. Send the access token that the provider issued.")
    if got.rstrip("/") == wanted.rstrip("/"):
        return _(
            "The two differ by a slash at the end, and have to be the same, letter by letter. Let "
            "the identity provider name itself alike in its metadata and in its tokens."
        )
    if "sts.windows.net" in got or ("sts.windows.net" in wanted):
        return _(
            "Entra ID has two kinds of tokens: those of version 1.0 come from sts.windows.net, "
            "those of 2.0 from login.microsoftonline.com. Use the discovery URL of the kind that "
            "comes (without or with /v2.0), or set requestedAccessTokenVersion in the API's "
            "manifest."
        )
    return _(
        "The token comes from %(got)s, and the agent's discovery URL is that of %(wanted)s. Send a "
        "token of that issuer, or give the agent the discovery URL of this one."
    ) % {"got": got, "wanted": wanted}


def _key(refused: _Refused) -> str:
    if any(audience in _GRAPH for audience in refused.said("aud")):
        return _(
            "This token is for Microsoft Graph, and nobody else can verify it. Ask Entra ID for "
            "one with a scope of your own API (api://…/…)."
        )
    if not refused.found:
        return _(
            "The token names no key, and the issuer publishes more than one or none. Let the "
            "identity provider put a kid into the header."
        )
    return _(
        "The issuer publishes no key with the id %(kid)s. Its keys are looked at again within "
        "seconds, so the token comes from another tenant or environment, or its key was withdrawn: "
        "get a new one."
    ) % {"kid": refused.got}


def _expired(refused: _Refused) -> str:
    return _(
        "The token was good until %(until)s. Get a new one; where it should not be over yet, "
        "compare the clocks. A minute's difference is allowed."
    ) % {"until": refused.got}


def _not_yet(refused: _Refused) -> str:
    return _(
        "The token is good from %(since)s on. Compare the clocks of this site and of the identity "
        "provider; a minute's difference is allowed."
    ) % {"since": refused.got}


def _audience(refused: _Refused) -> str:
    wanted = refused.wanted
    if not refused.found:
        client = ", ".join(refused.said("client_id"))
        if client:
            return _(
                "The token has no audience, like the access tokens of Cognito. Let the authorizer "
                "list its client %(client)s, or a scope, instead of an audience."
            ) % {"client": client}
        return _(
            "The token has no audience. Ask the identity provider for a token for %(wanted)s, by "
            "its audience or resource parameter."
        ) % {"wanted": wanted}
    if {item.rstrip("/") for item in refused.found} & {
        item.rstrip("/") for item in refused.expected
    }:
        return _("The two differ by a slash at the end. List the audience as the token has it.")
    if refused.is_id_token:
        return _(
            "This is an ID token, made for the client %(got)s. Send the access token, or add that "
            "audience to the authorizer."
        ) % {"got": refused.got}
    return _(
        "The token is for %(got)s. Ask the identity provider for one for %(wanted)s, by its "
        "audience or resource parameter or by a scope of that API, or add %(got)s to the allowed "
        "audiences."
    ) % {"got": refused.got, "wanted": wanted}


def _client(refused: _Refused) -> str:
    if refused.is_id_token and not refused.said("client_id"):
        return _(
            "This is an ID token; the authorizer lists allowed clients, which only match "
            "client_id. Add the audience “%(aud)s” to the authorizer, or send the access token."
        ) % {"aud": ", ".join(refused.said("aud"))}
    for claim in _CLIENT_CLAIMS:
        named = ", ".join(refused.said(claim))
        if named and not refused.found:
            return _(
                "The token has no client_id; its client stands in %(claim)s: “%(client)s”. Let the "
                "authorizer take %(claim)s as well (client claims) and allow this client, or list "
                "an audience instead."
            ) % {"claim": claim, "client": named}
    if not refused.found:
        return _(
            "The token names no client at all. List an audience or a scope instead of clients, or "
            "let the identity provider put client_id into its access tokens."
        )
    return _(
        "The token was issued to the client “%(got)s”. Add it to the allowed clients, or get the "
        "token with one of these: %(wanted)s."
    ) % {"got": refused.got, "wanted": refused.wanted}


def _scope(refused: _Refused) -> str:
    if refused.is_id_token:
        return _("This is an ID token, which has no scopes. Send the access token.")
    if not refused.found:
        return _(
            "The token has no scopes. Ask for one of %(wanted)s when the person signs in, and see "
            "that the identity provider lets the client have it."
        ) % {"wanted": refused.wanted}
    return _(
        "The token has %(got)s; one of %(wanted)s is needed. Ask for it when the person signs in, "
        "or add one of the token's to the allowed scopes."
    ) % {"got": refused.got, "wanted": refused.wanted}


def _custom(refused: _Refused) -> str:
    if not refused.found:
        return _(
            "The token does not carry this claim. Let the identity provider put it into the access "
            "token; many put it into the ID token alone."
        )
    return _(
        "The claim is there, with another value or of another type: EQUALS takes a string, "
        "CONTAINS and CONTAINS_ANY a list of strings. Change it at the identity provider, or the "
        "rule here."
    )


_ADVICE: Mapping[str, Callable[[_Refused], str]] = {
    "malformed": _format,
    "algorithm_not_allowed": _algorithm,
    "issuer_mismatch": _issuer,
    "unknown_key": _key,
    "expired": _expired,
    "not_yet_valid": _not_yet,
    "audience_mismatch": _audience,
    "client_mismatch": _client,
    "scope_mismatch": _scope,
    "custom_claim_mismatch": _custom,
}
_FIXED: Mapping[str, StrOrPromise] = {
    "critical_header": gettext_lazy(
        "The header asks for an extension that nobody here understands. Let the identity provider "
        "leave crit and b64 out of its tokens."
    ),
    "type_not_allowed": gettext_lazy(
        "This is no access token: it tells of a sign-out or an event, or proves a key. Send the "
        "access token."
    ),
    "key_mismatch": gettext_lazy(
        "The issuer publishes this key for another algorithm. Let the identity provider sign with "
        "the one that its key names, or look out for a token that somebody changed."
    ),
    "bad_signature": gettext_lazy(
        "The token was changed, cut, or signed by somebody else with a key of the same id. Get it "
        "again from the identity provider, and paste it as it came."
    ),
    "no_expiry": gettext_lazy(
        "The token does not say in exp, as a number, until when it is good. Let the identity "
        "provider issue tokens that expire."
    ),
    "no_subject": gettext_lazy(
        "The token names nobody in sub. Agents act for people: send the token of a person who "
        "signed in, not one that a client got for itself."
    ),
    "issuer_not_trusted": gettext_lazy(
        "List the issuer in DAIKO_TRUSTED_ISSUERS, or give an agent an authorizer of it."
    ),
    "issuer_unavailable": gettext_lazy(
        "The issuer's discovery document or its keys cannot be had. Test the agent on its page: "
        "the test says what is wrong with them."
    ),
    "missing_token": gettext_lazy(
        "The call has no Authorization header. Send “Authorization: Bearer” and the access token."
    ),
    "missing_signature": gettext_lazy(
        "The agent asks for calls that are signed with an access key (SigV4), and this one is not."
    ),
    "auth_mode_mismatch": gettext_lazy(
        "The agent takes either tokens or signatures (SigV4), and this was the other one. A client "
        "that has AWS credentials and no bearer token set signs of its own accord."
    ),
    "person_disabled": gettext_lazy("Switch the person's account on again, under People."),
    "agent_not_found": gettext_lazy(
        "Open the agent to everyone, to a group of the person's, or to the person; or see that the "
        "groups are in the token."
    ),
    "person_of_caller_not_admitted": gettext_lazy(
        "Open the agent to everyone, to a group of the person's, or to the person. Their groups "
        "are those of their last sign-in at this site."
    ),
    "person_of_caller_unknown": gettext_lazy(
        "Let the person sign in at this site once: when one agent calls another for them, their "
        "groups are those of their last sign-in here. Or open the agent to everyone."
    ),
    "caller_not_listed": gettext_lazy(
        "Add the workload identity of the agent that calls to those that may call this one for "
        "people, on the agent's page."
    ),
    "agent_disabled": gettext_lazy("Switch the agent on."),
    "workload_disabled": gettext_lazy("Switch the agent's workload identity on."),
    "policy_denied": gettext_lazy(
        "A resource policy of the agent or of its endpoint denies the call. Look at its statements "
        "under Resource policies."
    ),
    "header_not_allowed": gettext_lazy(
        "Add the header to the agent's allow-list, or do not send it."
    ),
}
