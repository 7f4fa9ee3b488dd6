"""What people may do on the admin site who do not administer all of it: roles, as data.

A role is a set of Django's permissions, and this is the one place that says which. Whoever is in a
group of `DAIKO_ADMIN_GROUPS` may do everything and needs none. No permission lets anybody see a
secret that is kept: no page shows one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

_LOOK = frozenset(
    {
        "agents.view_accesskey",
        "agents.view_agent",
        "agents.view_resourcepolicy",
        "agents.view_runtimesession",
        "agents.view_workloadidentity",
        "auth.view_group",
        "core.view_auditevent",
        "core.view_user",
        "vault.view_accessending",
        "vault.view_apikeyprovider",
        "vault.view_consentsession",
        "vault.view_credentialprovider",
        "vault.view_grant",
        "vault.view_webhookdelivery",
        "vault.view_webhookendpoint",
    }
)

ROLES: Mapping[str, frozenset[str]] = {
    # Runs the site. Whose account is switched off, or ends as a whole, is for an admin to say.
    "operator": _LOOK
    | {
        "agents.add_accesskey",
        "agents.change_accesskey",
        "agents.add_agent",
        "agents.change_agent",
        "agents.delete_agent",
        "agents.look_up_token",
        "agents.add_resourcepolicy",
        "agents.change_resourcepolicy",
        "agents.delete_resourcepolicy",
        "agents.stop_runtimesession",
        "agents.add_workloadidentity",
        "agents.change_workloadidentity",
        "auth.add_group",
        "portal.end_signin",
        "vault.add_accessending",
        "vault.add_apikeyprovider",
        "vault.change_apikeyprovider",
        "vault.delete_apikeyprovider",
        "vault.add_credentialprovider",
        "vault.change_credentialprovider",
        "vault.delete_credentialprovider",
        "vault.revoke_grant",
        "vault.add_webhookendpoint",
        "vault.change_webhookendpoint",
        "vault.delete_webhookendpoint",
    },
    # Reads whatever can be read, and changes nothing.
    "auditor": _LOOK,
    # Helps people: what they granted and run, and why a token is refused. Not the whole trail.
    "help-desk": frozenset(
        {
            "agents.view_agent",
            "agents.look_up_token",
            "agents.view_runtimesession",
            "agents.stop_runtimesession",
            "auth.view_group",
            "core.view_user",
            "portal.end_signin",
            "vault.view_consentsession",
            "vault.view_grant",
            "vault.revoke_grant",
        }
    ),
}


def roles_of(groups: Collection[str], *, given_to: Mapping[str, frozenset[str]]) -> set[str]:
    """Return the roles of somebody in `groups`; `given_to` says which groups have which role."""
    return {role for role, having in given_to.items() if not having.isdisjoint(groups)}
