"""What the trail keeps of a refused token, and the explanation that is made of it later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.authorizer import Authorizer, CustomClaim, TokenRefused, verify
from agents.explainer.advice import _ADVICE, _FIXED
from agents.explainer.recorded import finding_of
from core import audit
from core.models import AuditEvent
from tests.agents.conftest import make_agent
from tests.fixtures.issuer import Issuer
from tests.fixtures.loops import Run


def told(run: Run[Any], token: str, **rule: Any) -> dict[str, Any]:
    with pytest.raises(TokenRefused) as caught:
        run(verify(token, Authorizer(**rule)))
    return dict(caught.value.told)


def test_it_keeps_what_was_compared_and_what_the_token_says_of_itself(
    issuer: Issuer, run: Run[Any]
) -> None:
    kept = told(
        run,
        issuer.token(client_id="other", email="alice@example.com", name="Alice"),
        discovery_url=issuer.discovery_url,
        allowed_clients=frozenset({"portal", "cli"}),
    )

    assert kept == {
        "check": "client",
        "expected": ["cli", "portal"],
        "found": ["other"],
        "token": {
            "kind": "access",
            "alg": ["RS256"],
            "typ": ["at+jwt"],
            "kid": ["first"],
            "iss": [issuer.url],
            "aud": ["daiko"],
            "client_id": ["other"],
            "scope": ["openid", "agents"],
        },
    }


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"sub": "secret\n"}, {"allowed_clients": frozenset({"portal"})}),
        (
            {"email": "secret@example.com"},
            {"custom_claims": (CustomClaim("email", "EQUALS", ("bob",)),)},
        ),
        ({"teams": ["secret"]}, {"custom_claims": (CustomClaim("teams", "CONTAINS", ("a",)),)}),
        ({"sub": "secret", "exp": 1}, {"allowed_clients": frozenset({"portal"})}),
    ],
)
def test_what_is_the_persons_stays_out(
    issuer: Issuer, run: Run[Any], changed: dict[str, Any], rule: dict[str, Any]
) -> None:
    kept = told(run, issuer.token(**changed), discovery_url=issuer.discovery_url, **rule)

    assert "secret" not in str(kept)


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"token_use": "id"}, "id"),
        ({"token_use": "access"}, "access"),
        ({"typ": "Refresh"}, "refresh"),
        ({"nonce": "n"}, "id"),
        ({"scope": None, "client_id": None}, "unknown"),
        ({"token_use": ["id"], "client_id": "x"}, "access"),
    ],
)
def test_which_kind_of_token_it_was_is_kept(
    issuer: Issuer, run: Run[Any], claims: dict[str, Any], kind: str
) -> None:
    kept = told(
        run,
        issuer.token(header={"typ": None}, **{**claims, "exp": 1}),
        discovery_url=issuer.discovery_url,
    )

    assert kept["token"]["kind"] == kind


def test_what_a_stranger_wrote_is_cut(issuer: Issuer, run: Run[Any]) -> None:
    long, many = "x" * 2000, [f"a{n}" for n in range(600)]
    kept = told(
        run,
        issuer.token(aud=[*many, long], scope="s\x00\x1b[31m " + long, header={"typ": long}),
        discovery_url=issuer.discovery_url,
        allowed_audience=frozenset({"daiko"}),
    )

    assert len(str(kept)) < 4000
    assert "\x1b" not in str(kept["token"]["scope"])


def test_a_claim_nested_deeply_is_refused_and_breaks_nothing(issuer: Issuer, run: Run[Any]) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]

    kept = told(
        run,
        issuer.token(aud=deep, client_id={"a": deep}),
        discovery_url=issuer.discovery_url,
        allowed_audience=frozenset({"daiko"}),
    )

    assert kept["found"] == ["[…]"]


def test_the_events_page_explains_the_refusal(
    admin: Client, issuer: Issuer, run: Run[Any], db: None
) -> None:
    agent = make_agent("concierge", issuer)
    kept = told(
        run,
        issuer.token(client_id=None, azp="portal"),
        discovery_url=issuer.discovery_url,
        allowed_clients=frozenset({"portal"}),
    )
    event = audit.Event("agent.invocation", "refused", "client_mismatch", agent=agent.agent_id)
    audit.record(replace(event, detail=kept))
    row = AuditEvent.objects.latest("pk")

    page = admin.get(reverse("admin:core_auditevent_change", args=[row.pk])).content.decode()

    assert "its client stands in azp" in page
    assert "Explain another token at Concierge" in page
    assert reverse("admin:agents_agent_explain", args=[agent.pk]) in page


def test_the_events_page_gives_advice_where_no_check_of_a_token_refused(
    admin: Client, db: None
) -> None:
    audit.record(audit.Event("agent.invocation", "refused", "person_of_caller_unknown"))
    row = AuditEvent.objects.latest("pk")

    page = admin.get(reverse("admin:core_auditevent_change", args=[row.pk])).content.decode()

    assert "Let the person sign in at this site once" in page
    assert "finding-title" not in page
    assert '</span> <code class="below">person_of_caller_unknown</code>' in page


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ("client_mismatch", {}),
        ("client_mismatch", {"expected": 7, "found": {"a": 1}, "token": [], "check": 7}),
        ("unknown_key", {"token": {"aud": 7}}),
        ("agent_disabled", {"version": 1}),
    ],
)
def test_an_event_of_an_older_release_is_explained_as_far_as_it_goes(
    reason: str, detail: dict[str, Any]
) -> None:
    finding = finding_of(reason, detail)

    assert finding is not None
    assert finding.fix


def test_what_nobody_has_advice_about_has_none() -> None:
    assert finding_of("something_new", {}) is None


TOKENS: list[dict[str, Any]] = [
    {},
    {"kind": "id", "aud": ["app"]},
    {"client_id": ["app"]},
    {"azp": ["app"]},
    {"aud": ["https://graph.microsoft.com"]},
]
FOUND: list[list[str]] = [
    *([], ["x"], ["a/"], ["5 parts"], ["1 parts"], ["HS256"]),
    ["https://sts.windows.net/1/"],
]


@pytest.mark.parametrize("reason", [*_ADVICE, *_FIXED])
def test_every_advice_reads_well_whatever_was_found(reason: str) -> None:
    for token in TOKENS:
        for found in FOUND:
            finding = finding_of(reason, {"expected": ["a"], "found": found, "token": token})
            assert finding is not None
            assert finding.fix.endswith((".", ")"))
            assert "%(" not in finding.fix
