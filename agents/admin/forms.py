"""The form of an agent: the agent itself, and the newest version's fields next to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from agents import configuration
from agents.admin.drafts import OfferedLines
from agents.admin.fields import JsonField, PairsField
from agents.admin.shared import LinesField
from agents.configuration import CLIENT_CLAIMS, Configuration, ConfigurationRefused
from agents.models import Agent, AgentVersion

_OF_CALLERS = (
    *("discovery_url", "allowed_audience", "allowed_clients", "allowed_scopes", "custom_claims"),
    *("client_claims", "advertised_scopes", "resource_identifier"),
)
VERSION_FIELDS = (
    *("url", "called_with", "protocol", "path", "port", "auth_mode", *_OF_CALLERS),
    *("allowed_workloads", "header_allowlist", "session_idle_s", "session_lifetime_s"),
    *("role_arn", "network"),
)
_CLAIM_EXAMPLE = (
    '[{"inboundTokenClaimName": "department", "inboundTokenClaimValueType": "STRING", '
    '"authorizingClaimMatchValue": {"claimMatchOperator": "EQUALS", '
    '"claimMatchValue": {"matchValueString": "support"}}}]'
)


_DEFAULTS = Configuration(url="")


def _wide(**attributes: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField", "spellcheck": "false", **attributes})


@dataclass(frozen=True, slots=True)
class Consequence:
    """Something else that saving an agent's form would do: a sentence, and what it is said of."""

    said: str
    of: tuple[str, ...]
    help: str = ""


class AgentForm(forms.ModelForm[Agent]):
    """An agent. A change of what its version says makes a new version."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2048,
        widget=_wide(),
        help_text=_(
            "Where the agent runs. Calls go below it: to /invocations (HTTP, AG-UI), /mcp (MCP) or "
            "/ (A2A). https, unless DAIKO_ALLOWED_PRIVATE_HOSTS lists the host. Or the ARN of an "
            "AgentCore runtime on AWS."
        ),
    )
    protocol = forms.ChoiceField(label=_("Protocol"), choices=AgentVersion.Protocol)
    called_with = forms.ChoiceField(
        label=_("Called on AWS with"),
        choices=[("", "-"), *AgentVersion.CalledWith.choices],
        required=False,
        help_text=_("For an agent whose URL is an ARN, and for no other."),
    )
    path = forms.CharField(
        label=_("Path"),
        max_length=2048,
        required=False,
        widget=_wide(),
        help_text=_("Where calls go below the URL. Empty: where the protocol has it, as above."),
    )
    port = forms.IntegerField(
        label=_("Port"),
        required=False,
        help_text=_("Where the URL names none. Empty: 443 for https, 80 for http."),
    )
    auth_mode = forms.ChoiceField(
        label=_("Callers prove themselves with"),
        choices=AgentVersion.AuthMode,
        help_text=_(
            "With a person's token the agent acts for that person. With an access key, other "
            "programs call it."
        ),
    )
    may_drop_authorizer = forms.BooleanField(
        label=_("Stop checking people's tokens"),
        required=False,
        help_text=_("Needed once, to change an agent from tokens to access keys."),
    )
    discovery_url = forms.CharField(
        label=_("Discovery URL"),
        max_length=2048,
        required=False,
        widget=_wide(),
        help_text=_(
            "Where the issuer of the tokens publishes its metadata; it ends in "
            "/.well-known/openid-configuration. Each of the restrictions below that is filled in "
            "has to be met, and at least one is needed."
        ),
    )
    allowed_clients = LinesField(
        label=_("Allowed clients"),
        help_text=_(
            "OAuth client ids, one on each line: the token's client_id has to be one of them. To "
            "let people chat with the agent here, name this site's own client id."
        ),
    )
    allowed_audience = LinesField(
        label=_("Allowed audiences"),
        help_text=_("One on each line: the token's aud has to hold one of them."),
    )
    allowed_scopes = LinesField(
        label=_("Allowed scopes"),
        widget=OfferedLines(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("One on each line: the token's scope has to hold one of them."),
    )
    custom_claims = JsonField(
        label=_("Custom claims"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=format_lazy(
            _("Claims that the token has to hold, as the wire API has them: {example}"),
            example=_CLAIM_EXAMPLE,
        ),
    )
    client_claims = forms.MultipleChoiceField(
        label=_("Other claims for the client"),
        choices=[(name, name) for name in CLIENT_CLAIMS],
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        help_text=_(
            "Allowed clients are compared with client_id alone, as at AWS. Tick what your issuer "
            "says it by: azp (Keycloak, Auth0, Entra), appid (Entra), cid (Okta)."
        ),
    )
    advertised_scopes = PairsField(
        label=_("Advertised scopes"),
        help_text=_(
            "Where clients have to ask for a scope by another name than tokens have it: on each "
            "line an allowed scope, a blank, and what to ask for."
        ),
    )
    resource_identifier = forms.CharField(
        label=_("Resource identifier"),
        max_length=2048,
        required=False,
        widget=_wide(),
        help_text=_(
            "How clients name this agent to its issuer (RFC 9728): an https URL. Empty: its URL on "
            "this site."
        ),
    )
    allowed_workloads = LinesField(
        label=_("Agents that may call it for people"),
        help_text=_(
            "Names of workload identities, one on each line: they may call this agent on behalf of "
            "whoever called them."
        ),
    )
    session_idle_s = forms.IntegerField(
        label=_("A session ends after being idle for (seconds)"),
        required=False,
        help_text=_("60 to 1209600. Empty: 900."),
    )
    session_lifetime_s = forms.IntegerField(
        label=_("A session ends in any case after (seconds)"),
        required=False,
        help_text=_("60 to 1209600. Empty: 28800."),
    )
    role_arn = forms.CharField(
        label=_("Role"),
        max_length=2048,
        required=False,
        widget=_wide(),
        help_text=_(
            "The ARN of an IAM role. It is kept for tools of AWS; nothing here assumes it."
        ),
    )
    network = JsonField(
        label=_("Network"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("networkConfiguration of the wire API. It is kept for tools of AWS."),
    )
    header_allowlist = LinesField(
        label=_("Header allow-list"),
        help_text=_(
            "Which headers of a call reach the agent: one name on each line, at most 20. Three are "
            "filled in by this site with what it has verified of the person, so that the agent "
            "can believe them: X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-Id (a lasting id, to "
            "keep things apart by), X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-Name (to greet "
            "them) and X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-Groups (to decide by). Any "
            "other name, such as X-Tenant, passes what the caller sent, and is no more than the "
            "caller's word. Authorization hands the person's own token to the agent, which can "
            "then act as that person wherever it is good: avoid it. Cookies and headers of the "
            "connection never pass."
        ),
    )

    accepts = forms.MultipleChoiceField(
        label=_("Attachments"),
        choices=Agent.Accepts,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=Agent._meta.get_field("accepts").help_text,
    )

    class Meta:
        model = Agent
        fields = (
            *("name", "display_name", "description", "accepts", "enabled"),
            *("allow_everyone", "allowed_groups", "allowed_users"),
        )
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = None if self.instance._state.adding else newest_of(self.instance)
        if self.before is not None:
            for name, value in _shown(self.before).items():
                self.fields[name].initial = value

    def clean(self) -> dict[str, Any]:
        """Hold what was asked against every rule of a version, each reason at its field."""
        cleaned = super().clean() or self.cleaned_data
        wrong = set(self.errors)  # alone; the others are told of in the same round
        if wrong.intersection(configuration.RESTRICTIONS):
            wrong.add("allowed_clients")  # which says that there is no restriction at all
        if "auth_mode" in wrong:
            wrong.update((*_OF_CALLERS, "header_allowlist"))
        try:
            configuration.check(
                self.asked(),
                before=self.before,
                may_drop_authorizer=cleaned.get("may_drop_authorizer", False),
            )
        except ConfigurationRefused as refused:
            for error in refused.fields:
                if error.name not in wrong:
                    self.add_error(error.name, str(error.message))
        return cleaned

    def asked(self) -> Configuration:
        """Return the configuration that was asked for, what the form does not show as it was.

        What is no value is left out.
        """
        given = {n: self.cleaned_data[n] for n in VERSION_FIELDS if n in self.cleaned_data}
        claims = given.get("custom_claims") or []
        given["custom_claims"] = tuple(claims if isinstance(claims, list) else [claims])
        given["client_claims"] = tuple(given.get("client_claims", ()))
        given["network"] = given.get("network") or {}
        for name in ("session_idle_s", "session_lifetime_s"):
            if given.get(name) is None:  # as the wire API has it where nothing is said
                given[name] = getattr(_DEFAULTS, name)
        return replace(self.before or _DEFAULTS, **{"url": "", **given})

    def consequences(self) -> Sequence[Consequence]:
        """Return what saving this, which is valid, would do besides to access and the version."""
        return ()


def form_of(agent: Agent) -> dict[str, Any]:
    """Return the values of the form that make another agent like this one, but for its name."""
    newest = newest_of(agent)
    of_version = _shown(newest) if newest else {}
    own = {name: getattr(agent, name) for name in ("description", "accepts", "enabled")}
    return {**of_version, **own}


def newest_of(agent: Agent) -> Configuration | None:
    """Return what the newest version of an agent says, if there is one."""
    version: AgentVersion | None = agent.versions.order_by("-number").first()
    return Configuration.of(version) if version else None


def _shown(said: Configuration) -> dict[str, Any]:
    columns = said.columns()
    return {name: columns[name] for name in VERSION_FIELDS}
