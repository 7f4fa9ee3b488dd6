"""The trail in the words of OCSF 1.6.0: each event has what its class requires."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core import ocsf

# What the schema of 1.6.0 requires of every event, and of an event of each class.
OF_ALL = {
    *("activity_id", "category_uid", "class_uid", "type_uid"),
    *("time", "severity_id", "metadata"),
}
OF_CLASS = {
    3001: {"user"},
    3002: {"user", "service"},
    3003: {"user", "privileges"},
    6003: {"actor", "api", "src_endpoint"},
}
AT = datetime(2026, 11, 20, 12, 30, 0, 250_000, tzinfo=UTC)


def row(action: str, **about: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("reason", "subject_iss", "subject_sub", "actor", "agent", "workload", "provider"), ""
    )
    rest: dict[str, Any] = {"client": "", "reference": "", "client_ip": None, "detail": {}}
    return {"id": 7, "at": AT, "action": action, "outcome": "allowed", **empty, **rest, **about}


BOB = {"subject_iss": "https://idp.example", "subject_sub": "bob"}


@pytest.mark.parametrize(
    ("told", "type_uid"),
    [
        (row("person.signed_in", **BOB), 300201),
        (row("person.signed_in_again", **BOB), 300201),
        (row("person.signin.refused", outcome="refused", reason="expired"), 300201),
        (row("person.signed_out", **BOB), 300202),
        (row("person.signin.abandoned", **BOB), 300202),
        (row("person.logout.refused", outcome="refused"), 300202),
        (row("person.roles.changed", **BOB, detail={"from": [], "to": ["auditor"]}), 300301),
        (row("person.roles.changed", **BOB, detail={"from": ["auditor"], "to": []}), 600303),
        (row("admin.person.disabled", **BOB, actor="Alice"), 300105),
        (row("admin.person.enabled", **BOB, actor="Alice"), 300102),
        (row("admin.agent.registered", actor="Alice", agent="a"), 600301),
        (row("vault.token.released", **BOB, workload="a", provider="acme"), 600302),
        (row("admin.provider.changed", actor="Alice", provider="acme"), 600303),
        (row("vault.grant.revoked", **BOB), 600304),
        (row("agent.invocation", **BOB, client="portal", client_ip="203.0.113.7"), 600399),
        (row("agent.invocation.ended", **BOB), 600399),
        (row("strangers.refused", outcome="refused"), 600399),
        (row("something.new"), 600399),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) else str(value),
)
def test_an_event_is_of_the_class_it_belongs_to_and_has_what_that_requires(
    told: dict[str, Any], type_uid: int
) -> None:
    event = ocsf.event_of(told)

    assert event["type_uid"] == type_uid
    assert event["class_uid"] == type_uid // 100
    assert event["activity_id"] == type_uid % 100
    assert event["category_uid"] == type_uid // 100_000
    assert event.keys() >= OF_ALL | OF_CLASS[event["class_uid"]]
    assert event["metadata"]["version"] == "1.6.0"
    assert event["metadata"]["product"]["name"] == "Daiko"
    for name in ("actor", "src_endpoint", "user"):
        assert event.get(name) != {}
    if event["activity_id"] == 99:
        assert event["activity_name"] == told["action"]


def test_who_did_what_to_whom_with_which_outcome_is_told() -> None:
    event = ocsf.event_of(
        row(
            "vault.token.refused",
            outcome="refused",
            reason="consent_denied",
            **BOB,
            workload="concierge",
            provider="acme",
            reference="r" * 36,
            client_ip="203.0.113.7",
            detail={"invocation": "i" * 36, "chain": ["planner"]},
        )
    )

    assert event["time"] == 1_763_641_800_250 + 31_536_000_000
    assert (event["status_id"], event["status_code"]) == (2, "consent_denied")
    assert event["actor"]["user"] == {
        "uid": "bob",
        "domain": "https://idp.example",
        "type_id": 1,
        "type": "User",
    }
    assert event["actor"]["app_uid"] == "concierge"
    assert event["src_endpoint"] == {"ip": "203.0.113.7"}
    assert {"uid": "acme", "type": "Credential provider"} in event["resources"]
    assert event["metadata"]["correlation_uid"] == "i" * 36
    assert event["unmapped"]["detail"]["chain"] == ["planner"]
    assert event["unmapped"]["outcome"] == "refused"


def test_an_admin_who_did_it_is_the_actor_and_the_person_is_the_user() -> None:
    event = ocsf.event_of(row("admin.person.disabled", **BOB, actor="Alice"))

    assert event["actor"]["user"] == {"name": "Alice"}
    assert event["user"]["uid"] == "bob"
