"""Acme: how tokens are issued, rotated, given again and ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.demo_sites.journeys import (
    authorized,
    events,
    exchange,
    refresh,
    revoke,
    signed_in,
    time_passes,
    token_request,
    tokens_of,
)
from tests.fixtures.browsing import submit
from tests.fixtures.demo_sites import Acme

BOB = "bob@acme.example"
ALICE = "alice@acme.example"


def ended_by(acme: Acme, refresh_token: str) -> str:
    [[reason]] = acme.sql(
        "SELECT a.ended_by FROM acme_authorization a"
        " JOIN acme_refreshtoken r ON r.authorization_id = a.id"
        " WHERE r.token_hash = encode(sha256(%(token)s), 'hex')",
        token=refresh_token.encode(),
    )
    return str(reason)


def works(acme: Acme, access_token: str) -> bool:
    return events(acme, access_token).status_code == 200


def error_of(acme: Acme, refresh_token: str) -> str:
    answer = refresh(acme, refresh_token)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def test_a_code_earns_two_minutes_of_access_and_a_refresh_token(acme: Acme) -> None:
    tokens = tokens_of(acme, BOB)

    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 120
    assert tokens["scope"] == "calendar.read"
    assert works(acme, tokens["access_token"])
    assert tokens["refresh_token"]


def test_access_ends_after_two_minutes(acme: Acme) -> None:
    tokens = tokens_of(acme, BOB)

    time_passes(acme, seconds=121)

    assert not works(acme, tokens["access_token"])
    assert works(acme, refresh(acme, tokens["refresh_token"]).json()["access_token"])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_verifier": "a" * 43}, id="another verifier"),
        pytest.param({"code_verifier": ""}, id="no verifier"),
        pytest.param({"redirect_uri": "http://localhost:9/other"}, id="another address"),
        pytest.param({"code": "made-up"}, id="another code"),
    ],
)
def test_a_code_is_worth_nothing_without_all_that_belongs_to_it(
    acme: Acme, changes: dict[str, str]
) -> None:
    asked, answer = authorized(acme, BOB)

    refused = exchange(acme, asked, **{"code": answer["code"], **changes})

    assert refused.status_code == 400
    assert refused.json()["error"] in {"invalid_grant", "invalid_request"}
    assert "access_token" not in refused.json()


def test_the_wrong_secret_earns_nothing_and_is_told_how_to_authenticate(acme: Acme) -> None:
    refused = token_request(
        acme, {"grant_type": "refresh_token"}, auth=(acme.client_id, "wrong" * 8)
    )

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic")


def test_a_code_lives_for_a_minute(acme: Acme) -> None:
    asked, answer = authorized(acme, BOB)

    time_passes(acme, seconds=61)

    assert exchange(acme, asked, answer["code"]).json()["error"] == "invalid_grant"


def test_a_code_used_twice_ends_what_it_had_issued(acme: Acme) -> None:
    asked, answer = authorized(acme, BOB)
    tokens = exchange(acme, asked, answer["code"]).json()

    replayed = exchange(acme, asked, answer["code"])

    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert not works(acme, tokens["access_token"])
    assert error_of(acme, tokens["refresh_token"]) == "invalid_grant"
    assert ended_by(acme, tokens["refresh_token"]) == "code_replayed"


def test_a_code_used_by_ten_at_once_issues_one_family_and_ends_it(acme: Acme) -> None:
    asked, answer = authorized(acme, BOB)

    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda _: exchange(acme, asked, answer["code"]), range(10)))

    [issued] = [answer.json() for answer in answers if answer.status_code == 200]
    assert [answer.status_code for answer in answers].count(400) == 9
    assert not works(acme, issued["access_token"])
    assert ended_by(acme, issued["refresh_token"]) == "code_replayed"


def test_an_account_that_is_switched_off_is_of_no_use_to_any_client(acme: Acme) -> None:
    tokens = tokens_of(acme, "charlie@acme.example")
    asked, answer = authorized(acme, "charlie@acme.example")
    switch = "UPDATE acme_account SET is_active = %(on)s WHERE email = 'charlie@acme.example'"

    acme.sql(switch, on=False)
    try:
        assert not works(acme, tokens["access_token"])
        assert error_of(acme, tokens["refresh_token"]) == "invalid_grant"
        assert exchange(acme, asked, answer["code"]).json()["error"] == "invalid_grant"
        with signed_in(acme, "charlie@acme.example") as client:
            assert client.get("/").headers["location"].startswith("/sign-in/")
    finally:
        acme.sql(switch, on=True)


def test_a_refresh_rotates_and_the_access_before_it_goes_on(acme: Acme) -> None:
    first = tokens_of(acme, BOB)

    second = refresh(acme, first["refresh_token"]).json()

    assert second["refresh_token"] != first["refresh_token"]
    assert works(acme, first["access_token"]) and works(acme, second["access_token"])


def test_a_refresh_may_ask_for_less_and_later_for_all_again(acme: Acme) -> None:
    first = tokens_of(acme, BOB, scope="calendar.read calendar.write")

    less = refresh(acme, first["refresh_token"], scope="calendar.write").json()
    all_again = refresh(acme, less["refresh_token"]).json()

    assert less["scope"] == "calendar.write"
    assert events(acme, less["access_token"]).status_code == 403
    assert all_again["scope"] == "calendar.read calendar.write"


def test_a_refresh_cannot_ask_for_more(acme: Acme) -> None:
    first = tokens_of(acme, BOB)

    refused = refresh(acme, first["refresh_token"], scope="calendar.read calendar.write")

    assert refused.json()["error"] == "invalid_scope"
    assert refresh(acme, first["refresh_token"]).status_code == 200


def test_who_asks_again_within_the_grace_gets_the_same_answer(acme: Acme) -> None:
    first = tokens_of(acme, BOB)

    second = refresh(acme, first["refresh_token"]).json()
    time_passes(acme, seconds=10)
    again = refresh(acme, first["refresh_token"]).json()

    assert again["access_token"] == second["access_token"]
    assert again["refresh_token"] == second["refresh_token"]
    assert again["scope"] == second["scope"]
    assert second["expires_in"] >= again["expires_in"]
    assert refresh(acme, again["refresh_token"]).status_code == 200


def test_who_asks_again_for_something_else_gets_nothing(acme: Acme) -> None:
    first = tokens_of(acme, BOB, scope="calendar.read calendar.write")
    refresh(acme, first["refresh_token"])

    refused = refresh(acme, first["refresh_token"], scope="calendar.read")

    assert refused.json()["error"] == "invalid_scope"


def test_fifty_at_once_are_one_refresh_and_the_family_lives(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    last_row = acme.ledger()[-1]["id"]

    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda _: refresh(acme, first["refresh_token"]), range(50)))

    outcomes = [row["outcome"] for row in acme.ledger(after=last_row)]
    assert {answer.json()["refresh_token"] for answer in answers} == {
        answers[0].json()["refresh_token"]
    }
    assert sorted(outcomes) == ["repeated"] * 49 + ["rotated"]
    assert refresh(acme, answers[0].json()["refresh_token"]).status_code == 200


def test_reuse_after_the_grace_ends_the_family_access_included(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    second = refresh(acme, first["refresh_token"]).json()

    time_passes(acme, seconds=31)

    assert error_of(acme, first["refresh_token"]) == "invalid_grant"
    assert not works(acme, second["access_token"])
    assert error_of(acme, second["refresh_token"]) == "invalid_grant"
    assert ended_by(acme, first["refresh_token"]) == "refresh_reused"


def test_reuse_within_the_grace_ends_the_family_once_the_successor_was_used(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    second = refresh(acme, first["refresh_token"]).json()
    third = refresh(acme, second["refresh_token"]).json()

    assert error_of(acme, first["refresh_token"]) == "invalid_grant"
    assert not works(acme, third["access_token"])
    assert error_of(acme, third["refresh_token"]) == "invalid_grant"


def test_without_a_grace_reuse_ends_the_family_at_once(strict_acme: Acme) -> None:
    first = tokens_of(strict_acme, BOB)
    second = refresh(strict_acme, first["refresh_token"]).json()

    assert error_of(strict_acme, first["refresh_token"]) == "invalid_grant"
    assert not works(strict_acme, second["access_token"])
    assert error_of(strict_acme, second["refresh_token"]) == "invalid_grant"
    assert strict_acme.sql("SELECT 1 FROM acme_refreshtoken WHERE successor_sealed NOTNULL") == []


def test_one_family_that_ends_leaves_the_others_alone(acme: Acme) -> None:
    ending, living = tokens_of(acme, BOB), tokens_of(acme, BOB)

    revoke(acme, ending["refresh_token"])

    assert works(acme, living["access_token"])
    assert refresh(acme, living["refresh_token"]).status_code == 200


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "something_else", None])
def test_revoking_a_refresh_token_ends_its_family_whatever_the_hint(
    acme: Acme, hint: str | None
) -> None:
    tokens = tokens_of(acme, BOB)

    answer = revoke(acme, tokens["refresh_token"], **({"token_type_hint": hint} if hint else {}))

    assert answer.status_code == 200
    assert not works(acme, tokens["access_token"])
    assert error_of(acme, tokens["refresh_token"]) == "invalid_grant"
    assert ended_by(acme, tokens["refresh_token"]) == "client"


def test_revoking_an_access_token_leaves_the_refresh_token(acme: Acme) -> None:
    tokens = tokens_of(acme, BOB)

    revoke(acme, tokens["access_token"])

    assert not works(acme, tokens["access_token"])
    assert refresh(acme, tokens["refresh_token"]).status_code == 200


def test_revoking_what_does_not_exist_is_done_already(acme: Acme) -> None:
    assert revoke(acme, "made-up").status_code == 200


def test_nobody_revokes_without_the_clients_secret(acme: Acme) -> None:
    tokens = tokens_of(acme, BOB)

    refused = revoke(Acme(**{**vars(acme), "client_secret": "wrong" * 8}), tokens["refresh_token"])

    assert refused.status_code == 401
    assert works(acme, tokens["access_token"])


def test_a_person_removes_access_on_the_start_page(acme: Acme) -> None:
    tokens = tokens_of(acme, ALICE)
    with signed_in(acme, ALICE) as client:
        page = client.get("/")
        submit(client, page, button="Remove access")
        after = client.get("/")

    assert "Daiko" in page.text and "See the events in your calendar" in page.text
    assert "Daiko" not in after.text and "Nobody but you." in after.text
    assert error_of(acme, tokens["refresh_token"]) == "invalid_grant"


def test_nobody_removes_what_somebody_else_allowed(acme: Acme) -> None:
    tokens = tokens_of(acme, BOB)
    [[row]] = acme.sql("SELECT id FROM acme_authorization ORDER BY created_at DESC LIMIT 1")
    with signed_in(acme, "charlie@acme.example") as client:
        csrf = client.cookies["acme_csrf"]
        answer = client.post(f"/access/{row}/remove/", data={"csrfmiddlewaretoken": csrf})

    assert answer.status_code == 404
    assert works(acme, tokens["access_token"])


def test_the_database_holds_no_token_no_code_and_no_secret(acme: Acme) -> None:
    asked, answer = authorized(acme, BOB)
    first = exchange(acme, asked, answer["code"]).json()
    second = refresh(acme, first["refresh_token"]).json()
    secrets = [answer["code"], acme.client_secret, acme.ledger_key, *acme.passwords.values()]
    secrets += [tokens[kind] for tokens in (first, second) for kind in tokens if "_token" in kind]

    stored = acme.dump()

    assert "bob@acme.example" in stored
    assert not [secret for secret in secrets if secret in stored]
