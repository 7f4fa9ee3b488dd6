"""What an access key is good for, from its creation to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.keys import rotation, use, verification
from agents.keys.access_keys import KeyRevoked, TooManyKeys, access_key_create, access_key_switch
from agents.keys.operations import ALL, FOR_AGENTS, FOR_OPERATORS, OperationNotAllowed
from agents.keys.replays import MOMENT_S
from agents.keys.rotation import NotToRotate
from agents.models import AccessKey, SpentSignature, WorkloadIdentity
from core.crypto import SealBroken
from core.errors import InvalidRequest
from core.models import AuditEvent
from core.recent import RegistryUnavailable
from core.secret import Secret
from core.wire import model
from core.wire.canonical import SignedRequest
from core.wire.sigv4 import Reason, SignatureRefused
from portal.wire import OPERATIONS
from tests.agents.conftest import ADMIN, recorded
from tests.agents.signing import signed_headers
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")
READ, WRITE = "GetWorkloadAccessToken", "DeleteWorkloadIdentity"
Key = tuple[AccessKey, Secret]
Ask = Callable[..., Any]


@pytest.fixture
def batch(db: None) -> WorkloadIdentity:
    return WorkloadIdentity.objects.create(name="batch")


@pytest.fixture
def ask(run: Run[Any]) -> Ask:
    """Ask for an operation, signed with a key; what was kept of keys is asked for anew."""

    def asks(key: Key, operation: str = READ, request: SignedRequest | None = None) -> Any:
        verification.forget()
        return run(verification.authenticate(request or signed(key), operation))

    return asks


def signed(key: Key) -> SignedRequest:
    url = "https://daiko.example/identities/Any"
    headers = {"host": "daiko.example"} | signed_headers(
        url, key_id=key[0].access_key_id, secret=key[1]
    )
    return SignedRequest(
        method="POST",
        raw_path=urlsplit(url).path.encode(),
        raw_query=b"",
        headers=tuple((n.lower().encode(), v.encode()) for n, v in headers.items()),
        body_sha256=sha256(b"{}").hexdigest(),
    )


def created(identity: WorkloadIdentity | None = None, **about: Any) -> Key:
    return access_key_create(label="test", workload_identity=identity, actor=ADMIN, **about)


def refusal(ask: Ask, *asked: Any) -> str:
    """Return the reason on record."""
    with pytest.raises(SignatureRefused) as caught:
        ask(*asked)
    assert recorded()[-1] == ("wire.call", "refused", caught.value.reason)
    return caught.value.reason


# --- operations ----------------------------------------------------------------------------------


def test_a_key_is_limited_to_its_operations_and_the_refusal_names_the_other(
    ask: Ask, batch: WorkloadIdentity
) -> None:
    key = created(batch, operations=[READ])

    assert ask(key, READ).operations == {READ}
    with pytest.raises(OperationNotAllowed) as caught:
        ask(key, "GetResourceApiKey")

    assert (caught.value.aws, caught.value.status) == ("AccessDeniedException", 403)
    assert "bedrock-agentcore:GetResourceApiKey" in str(caught.value.message)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason) == ("wire.call", "operation_not_allowed")
    assert (event.client, event.workload) == (key[0].access_key_id, "batch")
    assert event.detail == {"operation": "GetResourceApiKey"}


def test_what_a_limited_key_may_not_do_leaves_its_signature_unspent(ask: Ask) -> None:
    with pytest.raises(OperationNotAllowed):
        ask(created(operations=[READ]), WRITE)

    assert not SpentSignature.objects.exists()


def test_a_key_without_a_list_may_do_all_that_its_kind_may(ask: Ask) -> None:
    key = created()

    for operation in ("GetResourceApiKey", "GetTokenVault"):
        assert ask(key, operation).operations == frozenset()


def test_an_agents_key_does_nothing_that_is_an_operators_and_its_attempt_is_on_record(
    ask: Ask, batch: WorkloadIdentity
) -> None:
    key = created(batch)

    for operation in FOR_OPERATORS:
        with pytest.raises(OperationNotAllowed):
            ask(key, operation)
        event = AuditEvent.objects.latest("pk")
        assert (event.reason, event.workload) == ("operation_not_allowed", "batch")
        assert event.detail == {"operation": operation}
    assert not SpentSignature.objects.exists()


@pytest.mark.parametrize("operations", [["CreateWorkloadIdentity"], [READ, "GetEverything"], ["*"]])
def test_a_key_is_not_limited_to_what_its_kind_cannot_do(
    batch: WorkloadIdentity, operations: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        created(batch, operations=operations)

    assert operations[-1] in str(caught.value.message)
    assert not AccessKey.objects.exists()
    assert recorded() == []


def test_a_key_can_be_limited_to_whatever_is_served() -> None:
    assert {operation.name for operation in OPERATIONS} <= set(ALL)
    ours = {"InvokeAgentRuntimeForUser", "ListGrants", "RevokeGrants", "ListSessions"}
    assert set(ALL) - ours <= set(model.operations())
    assert len(set(ALL)) == len(ALL)
    guarded = {op.name for op in OPERATIONS if op.guard.__name__ == "operators"}
    assert guarded.isdisjoint(FOR_AGENTS)


# --- its end -------------------------------------------------------------------------------------


def test_a_key_ends_when_its_time_is_over(ask: Ask, time_machine: Any) -> None:
    now = timezone.now()
    time_machine.move_to(now, tick=False)
    key = created(expires_at=now + timedelta(seconds=60))

    ask(key)
    time_machine.shift(60)

    assert refusal(ask, key) == Reason.KEY_EXPIRED
    assert not key[0].is_live(at=timezone.now())


def test_a_key_ends_on_time_even_where_its_copy_is_fresh(run: Run[Any], time_machine: Any) -> None:
    now = timezone.now()
    time_machine.move_to(now, tick=False)
    key = created(expires_at=now + timedelta(seconds=1))
    run(verification.verify(signed(key)))
    time_machine.shift(1)

    with pytest.raises(SignatureRefused) as caught:
        run(verification.verify(signed(key)))

    assert caught.value.reason == Reason.KEY_EXPIRED


def test_revoking_is_for_good_and_erases_the_secret(ask: Ask) -> None:
    key = created()
    for _ in range(2):
        rotation.access_key_revoke(key=key[0], actor=ADMIN)

    assert refusal(ask, key) == Reason.KEY_REVOKED
    with pytest.raises(KeyRevoked):
        access_key_switch(key=key[0], enabled=True, actor=ADMIN)
    stored = AccessKey.objects.get()
    assert (stored.enabled, stored.secret_sealed) == (False, None)
    with pytest.raises(SealBroken):
        stored.secret()
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessKey.objects.update(enabled=True)
    actions = [action for action, *_ in recorded() if action.startswith("admin.")]
    assert actions == ["admin.access_key.created", "admin.access_key.revoked"]


def test_outside_a_key_that_ended_is_as_one_that_never_was(ask: Ask) -> None:
    revoked, expired = created(), created(expires_at=timezone.now())
    rotation.access_key_revoke(key=revoked[0], actor=ADMIN)
    never = (AccessKey(access_key_id="AKIA" + "A" * 16), revoked[1])

    told = set()
    for key in (revoked, expired, never):
        with pytest.raises(SignatureRefused) as caught:
            ask(key)
        told.add((str(caught.value.message), caught.value.status))
    assert len(told) == 1


# --- rotation ------------------------------------------------------------------------------------


def test_a_rotation_makes_a_second_key_that_may_do_the_same(
    ask: Ask, batch: WorkloadIdentity
) -> None:
    old = created(batch, operations=[READ], expires_at=timezone.now() + timedelta(days=1))

    new = rotation.access_key_rotate(key=old[0], actor=ADMIN)

    for key in (old, new):
        caller = ask(key)
        assert (caller.workload_name, caller.operations) == ("batch", {READ})
    assert rotation.predecessor_of(new[0]) == old[0]
    assert rotation.successor_of(old[0]) == new[0]
    assert new[0].expires_at is None
    assert new[0].label == old[0].label
    event = AuditEvent.objects.get(action="admin.access_key.rotated")
    assert event.detail["access_key_id"] == old[0].access_key_id
    assert event.detail["replaced_by"] == new[0].access_key_id


def test_the_old_key_ends_when_it_is_revoked_and_the_new_one_stays(
    ask: Ask, batch: WorkloadIdentity
) -> None:
    old = created(batch)
    new = rotation.access_key_rotate(key=old[0], actor=ADMIN)

    rotation.access_key_revoke(key=old[0], actor=ADMIN)

    assert refusal(ask, old) == Reason.KEY_REVOKED
    ask(new)
    assert rotation.predecessor_of(AccessKey.objects.get(pk=new[0].pk)) is None
    rotation.access_key_rotate(key=new[0], actor=ADMIN)


@pytest.mark.parametrize("why", ["rotated", "off", "expired"])
def test_only_a_key_in_use_is_rotated_and_once(why: str) -> None:
    key, _ = created(expires_at=timezone.now() if why == "expired" else None)
    if why == "rotated":
        rotation.access_key_rotate(key=key, actor=ADMIN)
    elif why == "off":
        access_key_switch(key=key, enabled=False, actor=ADMIN)
    before = AccessKey.objects.count(), recorded()

    with pytest.raises(NotToRotate):
        rotation.access_key_rotate(key=key, actor=ADMIN)

    assert (AccessKey.objects.count(), recorded()) == before


def test_a_workload_identity_has_two_keys_in_use_at_most(batch: WorkloadIdentity) -> None:
    first, _ = created(batch)
    second, _ = created(batch)
    with pytest.raises(TooManyKeys):
        created(batch)
    with pytest.raises(TooManyKeys):
        rotation.access_key_rotate(key=first, actor=ADMIN)
    assert AccessKey.objects.count() == 2

    access_key_switch(key=second, enabled=False, actor=ADMIN)
    created(batch)
    with pytest.raises(TooManyKeys):
        access_key_switch(key=second, enabled=True, actor=ADMIN)
    assert not AccessKey.objects.get(pk=second.pk).enabled


# --- last use ------------------------------------------------------------------------------------


def test_its_last_use_is_kept_to_the_minute_without_a_write_for_each(ask: Ask) -> None:
    use.forget()
    key = created()
    ask(key)
    first = AccessKey.objects.get().last_used_at
    assert first is not None
    AccessKey.objects.update(last_used_at=None)

    ask(key)  # this process wrote it a moment ago

    assert AccessKey.objects.get().last_used_at is None


def test_another_process_does_not_write_it_again_within_the_minute(ask: Ask) -> None:
    key = created()
    just_now = timezone.now() - timedelta(seconds=50)
    long_ago = timezone.now() - timedelta(seconds=70)

    for kept, written in ((just_now, False), (long_ago, True)):
        use.forget()
        AccessKey.objects.update(last_used_at=kept)
        ask(key)
        assert (AccessKey.objects.get().last_used_at != kept) is written


def test_somebody_who_only_names_a_key_does_not_use_it(ask: Ask) -> None:
    use.forget()
    key, _ = created()

    assert refusal(ask, (key, Secret("x" * 40))) == Reason.MISMATCH

    assert AccessKey.objects.get().last_used_at is None


# --- replays -------------------------------------------------------------------------------------


def test_what_changes_something_is_not_done_again_later(ask: Ask) -> None:
    key = created()
    request = signed(key)

    ask(key, WRITE, request)
    SpentSignature.objects.update(first_at=timezone.now() - timedelta(seconds=MOMENT_S))

    assert refusal(ask, key, WRITE, request) == Reason.REPLAYED
    assert refusal(ask, key, "CreateWorkloadIdentity", request) == Reason.REPLAYED


def test_the_same_request_twice_within_its_second_is_no_replay(run: Run[Any]) -> None:
    key = created()
    request = signed(key)

    async def at_once() -> list[Any]:
        return await asyncio.gather(*(verification.authenticate(request, WRITE) for _ in range(8)))

    callers = run(at_once())

    assert {caller.access_key_id for caller in callers} == {key[0].access_key_id}
    assert SpentSignature.objects.count() == 1


def test_what_only_reads_is_taken_again(ask: Ask) -> None:
    key = created()
    request = signed(key)
    for _ in range(2):
        ask(key, READ, request)

    assert not SpentSignature.objects.exists()


def test_nothing_is_changed_while_nobody_can_say_whether_it_is_a_replay(ask: Ask) -> None:
    key = created()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agents_spentsignature RENAME TO spent_away")
        try:
            with pytest.raises(RegistryUnavailable):
                ask(key, WRITE)
        finally:
            cursor.execute("ALTER TABLE spent_away RENAME TO agents_spentsignature")


def test_signatures_that_nobody_takes_any_more_are_forgotten(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = timezone.now() - timedelta(minutes=6)
    recent = timezone.now() - timedelta(minutes=4)
    SpentSignature.objects.create(signature=b"over", good_until=over)
    SpentSignature.objects.create(signature=b"recent", good_until=recent)
    monkeypatch.setattr("agents.keys.replays._Swept.at_s", float("-inf"))

    ask(created(), WRITE)

    kept = {bytes(row.signature) for row in SpentSignature.objects.all()}
    assert b"recent" in kept
    assert b"over" not in kept
    assert len(kept) == 2
