"""The audit trail in the words of the Open Cybersecurity Schema Framework, version 1.6.0.

Sign-ins and sign-outs are Authentication, roles that a person gets are Authorize Session, accounts
switched on and off are Account Change, and everything else is API Activity. What the schema has no
place for stands in `unmapped`, by the names that the trail has for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

VERSION = "1.6.0"
PRODUCT = "Daiko"

_ACCOUNT_CHANGE, _AUTHENTICATION, _AUTHORIZE_SESSION, _API_ACTIVITY = 3001, 3002, 3003, 6003
_CLASSES = {
    _ACCOUNT_CHANGE: "Account Change",
    _AUTHENTICATION: "Authentication",
    _AUTHORIZE_SESSION: "Authorize Session",
    _API_ACTIVITY: "API Activity",
}
_CATEGORIES = {3: "Identity & Access Management", 6: "Application Activity"}
_LOGON, _LOGOFF, _OTHER = (1, "Logon"), (2, "Logoff"), 99
_CREATE, _READ, _UPDATE, _DELETE = (1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete")
_ACCOUNTS = {"admin.person.enabled": (2, "Enable"), "admin.person.disabled": (5, "Disable")}
_SIGN_INS = {"person.signed_in", "person.signed_in_again", "person.signin.refused"}
_SIGN_OUTS = ("person.signed_out", "person.signin.", "person.logout.")
# What an action does, by the last word of its name.
_DOES = {
    **dict.fromkeys(("added", "created", "registered", "issued", "obtained", "begun"), _CREATE),
    **dict.fromkeys(("data_key_made", "completed"), _CREATE),
    **dict.fromkeys(("released", "explained", "exported"), _READ),
    **dict.fromkeys(("changed", "configured", "described", "opened_to", "rotated"), _UPDATE),
    **dict.fromkeys(("enabled", "disabled", "put", "refresh", "reset", "chosen"), _UPDATE),
    **dict.fromkeys(("deleted", "removed", "revoked", "revocation", "ended"), _DELETE),
    **dict.fromkeys(("data_key_destroyed", "stopped", "stop"), _DELETE),
}
# Its end tells how something went, and ends nothing.
_NOT_BY_LAST_WORD = {"agent.invocation.ended"}
_INFORMATIONAL, _LOW = (1, "Informational"), (2, "Low")


def event_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of the trail, given by its columns, as one of the schema."""
    uid, (activity, caption) = _class_and_activity(row)
    severity, told = _INFORMATIONAL if row["outcome"] == "allowed" else _LOW
    at: datetime = row["at"]
    event: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": caption,
        "category_uid": uid // 1000,
        "category_name": _CATEGORIES[uid // 1000],
        "class_uid": uid,
        "class_name": _CLASSES[uid],
        "type_uid": uid * 100 + activity,
        "time": int(at.timestamp() * 1000),
        "severity_id": severity,
        "severity": told,
        "status_id": 1 if row["outcome"] == "allowed" else 2,
        "status": "Success" if row["outcome"] == "allowed" else "Failure",
        "metadata": {
            "version": VERSION,
            "product": {"name": PRODUCT, "vendor_name": PRODUCT},
            "uid": str(row["id"]),
            "event_code": row["action"],
        },
        "actor": _actor(row),
        "src_endpoint": {"ip": row["client_ip"]} if row["client_ip"] else {"svc_name": PRODUCT},
        "unmapped": _unmapped(row),
    }
    together = row["detail"].get("invocation") or row["reference"]
    if together:
        event["metadata"]["correlation_uid"] = str(together)
    if row["reason"]:
        event["status_code"] = row["reason"]
    if uid == _API_ACTIVITY:
        event["api"] = {"operation": row["action"], "service": {"name": PRODUCT}}
        event["resources"] = _resources(row)
    else:
        event["user"] = _person(row) or {"name": "unknown", "type_id": 0}
    if uid == _AUTHENTICATION:
        event["service"] = {"name": PRODUCT}
    if uid == _AUTHORIZE_SESSION:
        event["privileges"] = row["detail"]["to"]
    return event


def _class_and_activity(row: Mapping[str, Any]) -> tuple[int, tuple[int, str]]:
    action: str = row["action"]
    if action in _ACCOUNTS:
        return _ACCOUNT_CHANGE, _ACCOUNTS[action]
    if action in _SIGN_INS:
        return _AUTHENTICATION, _LOGON
    if action.startswith(_SIGN_OUTS):
        return _AUTHENTICATION, _LOGOFF
    if action == "person.roles.changed" and row["detail"].get("to"):
        return _AUTHORIZE_SESSION, (1, "Assign Privileges")
    if action in _NOT_BY_LAST_WORD:
        return _API_ACTIVITY, (_OTHER, action)
    return _API_ACTIVITY, _DOES.get(action.rpartition(".")[2], (_OTHER, action))


def _person(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return whom it concerns: by their subject, which is unique at their issuer alone."""
    if not row["subject_sub"]:
        return None
    return {
        "uid": row["subject_sub"],
        "type_id": 1,
        "type": "User",
        "domain": row["subject_iss"],
    }


def _actor(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return who did it, and by which client: the person themselves, where nobody else is named."""
    actor: dict[str, Any] = {}
    if row["actor"]:
        actor["user"] = {"name": row["actor"]}
    elif person := _person(row):
        actor["user"] = person
    app = row["client"] or row["workload"]
    if app:
        actor["app_uid"] = app
    return actor or {"app_name": PRODUCT}


def _resources(row: Mapping[str, Any]) -> list[dict[str, str]]:
    kinds = {"agent": "Agent", "workload": "Workload identity", "provider": "Credential provider"}
    return [{"uid": row[name], "type": kind} for name, kind in kinds.items() if row[name]]


def _unmapped(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("outcome", "subject_iss", "subject_sub", "agent", "workload", "provider", "client")
    told = {name: row[name] for name in (*names, "reference") if row[name]}
    return {**told, "detail": row["detail"]} if row["detail"] else told
