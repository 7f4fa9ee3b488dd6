"""What stands on record, in words: the stable name of an action is for programs."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

_WORDS: dict[str, StrOrPromise] = {
    "admin.access_key.created": _("Access key created"),
    "admin.access_key.disabled": _("Access key switched off"),
    "admin.access_key.enabled": _("Access key switched on"),
    "admin.access_key.revoked": _("Access key revoked"),
    "admin.access_key.rotated": _("Access key rotated"),
    "admin.agent.configured": _("Agent given a new version"),
    "admin.agent.deleted": _("Agent deleted"),
    "admin.agent.described": _("Agent described anew"),
    "admin.agent.disabled": _("Agent switched off"),
    "admin.agent.enabled": _("Agent switched on"),
    "admin.agent.opened_to": _("Agent opened to other people"),
    "admin.agent.registered": _("Agent added"),
    "admin.api_key_provider.added": _("API key provider added"),
    "admin.api_key_provider.changed": _("API key provider changed"),
    "admin.api_key_provider.deleted": _("API key provider deleted"),
    "admin.group.created": _("Group created"),
    "admin.person.disabled": _("Account switched off"),
    "admin.person.enabled": _("Account switched on"),
    "admin.provider.added": _("Provider added"),
    "admin.provider.changed": _("Provider changed"),
    "admin.provider.deleted": _("Provider deleted"),
    "admin.resource_policy.deleted": _("Policy of a resource deleted"),
    "admin.resource_policy.put": _("Policy of a resource put"),
    "admin.tags.added": _("Tags of a resource added"),
    "admin.tags.removed": _("Tags of a resource removed"),
    "admin.workload_identity.changed": _("Workload identity changed"),
    "admin.workload_identity.created": _("Workload identity created"),
    "admin.workload_identity.deleted": _("Workload identity deleted"),
    "admin.workload_identity.disabled": _("Workload identity switched off"),
    "admin.workload_identity.enabled": _("Workload identity switched on"),
    "agent.invocation": _("Call to the agent"),
    "agent.invocation.ended": _("End of a call to the agent"),
    "person.signed_in": _("Sign-in"),
    "person.signed_out": _("Sign-out"),
    "person.signin.abandoned": _("Sign-in that nobody used any more, ended"),
    "person.signin.lapsed": _("Sign-in ended by the identity provider"),
    "person.signin.refused": _("Sign-in"),
    "person.signin.replaced": _("Sign-in replaced by a new one in the same browser"),
    "run.failed": _("Answer in the chat failed"),
    "strangers.refused": _("Calls that proved nothing, counted"),
    "vault.api_key.refused": _("API key for the provider"),
    "vault.api_key.released": _("API key for the provider"),
    "vault.consent.begun": _("Consent asked for"),
    "vault.consent.completed": _("Consent given"),
    "vault.consent.denied": _("Consent denied by the person"),
    "vault.consent.expired": _("Consent not given in time"),
    "vault.consent.failed": _("Consent came to nothing"),
    "vault.consent.refused": _("Attempt at somebody's consent"),
    "vault.grant.revoked": _("Connection taken back"),
    "vault.keys.data_key_destroyed": _("Data key destroyed, since nothing needed it"),
    "vault.keys.data_key_made": _("Data key made"),
    "vault.keys.rotated": _("Keys of the vault changed"),
    "vault.refresh": _("Refresh of the connection"),
    "vault.revocation": _("Provider told to end its tokens"),
    "vault.token.obtained": _("Token got from the provider without asking a person"),
    "vault.token.refused": _("Token for the provider"),
    "vault.token.released": _("Token for the provider"),
    "wire.call": _("Call to the API"),
    "workload.token.issued": _("Workload access token"),
}


def in_words(action: str) -> StrOrPromise:
    """Return what `action` is called on a page; one that has no words yet is called by its name."""
    return _WORDS.get(action, action)
