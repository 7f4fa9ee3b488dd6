from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
import time_machine

from agents import workload
from agents.errors import WorkloadTokenInvalid
from core import crypto, data_keys
from core.models import DataKey
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.loops import Run

pytestmark = pytest.mark.django_db
ALICE = Subject("https://idp.example", "alice")


def issued(subject: Subject | None = ALICE) -> Secret:
    return workload.issue(
        workload_id=7, workload_name="concierge-0123456789", subject=subject, session_id="s" * 40
    )


def test_a_token_says_who_acts_and_for_whom() -> None:
    verified = workload.read(issued().reveal())

    assert (verified.workload_id, verified.workload_name) == (7, "concierge-0123456789")
    assert (verified.subject, verified.session_id) == (ALICE, "s" * 40)


def test_a_token_names_the_call_that_it_was_issued_for_if_there_was_one() -> None:
    about: dict[str, Any] = {"workload_id": 7, "workload_name": "x", "subject": ALICE}
    token = workload.issue(**about, invocation="0123456789abcdef0123")

    assert workload.read(token.reveal()).invocation == "0123456789abcdef0123"
    assert workload.read(issued().reveal()).invocation == ""


@pytest.mark.parametrize(("chars", "carried"), [(4096, True), (4097, False)])
def test_a_token_carries_what_the_person_called_with_unless_that_is_too_long(
    chars: int, carried: bool
) -> None:
    about: dict[str, Any] = {"workload_id": 7, "workload_name": "x" * 255, "subject": ALICE}
    groups = frozenset({"staff", "administrators"})
    given = Secret("e" * chars)

    token = workload.issue(**about, session_id="s" * 256, groups=groups, user_token=given)

    assert workload.read(token.reveal()).user_token == (given if carried else None)
    # Servers take 8 KiB for a header, some 16 KiB for all of them, and it stands in two.
    assert len(token.reveal()) < 7 * 1024
    assert workload.read(issued().reveal()).user_token is None


def test_a_token_names_those_through_whom_the_agent_was_called_the_newest_first() -> None:
    chain = (workload.Link(3, "planner"), workload.Link(1, "concierge"))
    token = workload.issue(workload_id=7, workload_name="calendar", subject=ALICE, chain=chain)

    verified = workload.read(token.reveal())

    assert verified.chain == chain
    assert verified.called_through == ("planner", "concierge")
    assert verified.actors == (workload.Link(7, "calendar"), *chain)
    assert workload.read(issued().reveal()).chain == ()


def test_what_the_person_called_with_is_left_out_where_a_chain_takes_its_room() -> None:
    chain = tuple(workload.Link(10**9 + n, "x" * 255) for n in range(5))
    about: dict[str, Any] = {"workload_id": 7, "workload_name": "x" * 255, "subject": ALICE}
    given = Secret("e" * 4096)

    token = workload.issue(**about, session_id="s" * 256, chain=chain, user_token=given)

    assert workload.read(token.reveal()).user_token is None
    assert workload.read(token.reveal()).chain == chain
    shorter = workload.issue(**about, chain=chain[:1], user_token=given)
    assert workload.read(shorter.reveal()).user_token == given
    assert max(len(token.reveal()), len(shorter.reveal())) < 7.5 * 1024


@pytest.mark.parametrize(("by_s", "until_s"), [(600, 600), (9000, 3600)])
def test_a_token_ends_by_the_end_of_the_one_by_which_it_came(by_s: int, until_s: int) -> None:
    with time_machine.travel(0, tick=False):
        token = workload.issue(
            workload_id=7, workload_name="x", subject=ALICE, expires_by=by_s
        ).reveal()
        assert workload.read(token).expires_at == until_s


def test_a_token_for_nobody_names_nobody() -> None:
    assert workload.read(issued(None).reveal()).subject is None


def test_no_two_tokens_are_alike_and_they_show_nothing() -> None:
    one, other = issued(), issued()

    assert one != other
    assert b"alice" not in base64.urlsafe_b64decode(one.reveal()[5:] + "==")


@pytest.mark.parametrize(("later_s", "good"), [(3599, True), (3601, False)])
def test_a_token_lives_for_an_hour(later_s: int, good: bool) -> None:
    with time_machine.travel(0, tick=False):
        token = issued().reveal()
    with time_machine.travel(later_s, tick=False):
        if good:
            assert workload.read(token).expires_at == 3600
        else:
            with pytest.raises(WorkloadTokenInvalid, match="expired"):
                workload.read(token)


def test_no_character_of_a_token_can_be_changed() -> None:
    token = issued().reveal()

    for position in range(len(token)):
        changed = "A" if token[position] != "A" else "B"
        with pytest.raises(WorkloadTokenInvalid):
            workload.read(token[:position] + changed + token[position + 1 :])


@pytest.mark.parametrize("junk", ["=", "\n", " ", "!", "é", "AAAA"])
def test_nothing_can_be_added_to_a_token(junk: str) -> None:
    token = issued().reveal()

    for changed in (token + junk, token[:40] + junk + token[40:], junk + token):
        with pytest.raises(WorkloadTokenInvalid):
            workload.read(changed)


@pytest.mark.parametrize("token", ["", "wat1.", "wat1.A", "wat1.AAAA", "wat2.AAAA", "a.b.c", "é"])
def test_what_was_never_issued_is_no_token(token: str) -> None:
    with pytest.raises(WorkloadTokenInvalid) as caught:
        workload.read(token)

    assert (caught.value.status, caught.value.aws) == (401, "UnauthorizedException")


def test_another_sealed_value_of_this_site_is_no_token() -> None:
    body = json.dumps({"w": 7, "n": "x", "i": "a", "s": "b", "r": "", "j": "", "e": 9e9})
    sealed = crypto.seal(body, bound_to=crypto.Binding("vault_grant", "", "token", ""))

    with pytest.raises(WorkloadTokenInvalid, match="SealBroken"):
        workload.read("wat1." + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode())


def test_a_token_whose_data_key_is_gone_is_no_token() -> None:
    token = issued().reveal()
    DataKey.objects.all().delete()
    crypto.forget_opened_keys()

    with pytest.raises(WorkloadTokenInvalid, match="KeyMissing"):
        workload.read(token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False])
def test_an_event_loop_issues_the_same(run: Run[Any], known: bool) -> None:
    if known:
        issued()
    token = run(workload.aissue(workload_id=7, workload_name="x", subject=ALICE, session_id="s"))

    assert workload.read(token.reveal()).subject == ALICE


async def many() -> list[Secret]:
    issuing = [
        workload.aissue(workload_id=7, workload_name="x", subject=ALICE, session_id="s")
        for _ in range(40)
    ]
    return await asyncio.gather(*issuing)


@pytest.mark.django_db(transaction=True)
def test_the_first_calls_of_a_new_site_wait_for_one_data_key(run: Run[Any]) -> None:
    DataKey.objects.all().delete()
    crypto.forget_opened_keys()

    tokens = run(many())

    assert {workload.read(token.reveal()).subject for token in tokens} == {ALICE}
    assert DataKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_event_loop_issues_while_the_data_key_has_to_be_looked_up_again(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    issued()
    monkeypatch.setattr(data_keys, "SEALING_S", 0.0)

    tokens = run(many())

    assert {workload.read(token.reveal()).subject for token in tokens} == {ALICE}
