"""What is due is sent, signed, again where it has to be, and no longer than that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from socket import create_server
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError
from django.utils import timezone

from core import sealed_columns
from core.errors import InvalidRequest
from tests.vault.conftest import ADMIN, events
from tests.vault.webhook_parts import deliver, endpoint_at, listening, make_due, put
from tests.vault.webhook_receiver import Receiver, Says, receiving
from vault.models import TEST_EVENT, WebhookDelivery, WebhookEndpoint
from vault.webhooks import delivering, endpoints, sending, signing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def there() -> Iterator[Receiver]:
    """The receiver's side."""
    with receiving() as receiver:
        yield receiver


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def the_endpoint() -> WebhookEndpoint:
    return WebhookEndpoint.objects.get()


# How it is signed


def test_the_standards_own_library_verifies_what_is_sent(there: Receiver) -> None:
    endpoint, secret = listening(there)
    [row] = put(endpoint)

    assert deliver() == 1

    [one] = there.received
    assert one.verified(secret) == json.loads(row.payload)
    assert one.body == row.payload.encode()
    assert one.headers["content-type"] == "application/json"
    assert one.headers["webhook-id"] == f"msg_{row.event.hex}"
    row.refresh_from_db()
    assert (row.state, row.attempts, row.response_status) == ("accepted", 1, 204)
    assert row.next_attempt_at is None
    assert the_endpoint().last_accepted_at is not None


def test_a_signature_is_what_the_specification_says() -> None:
    at = timezone.now()
    secret = signing.new_secret()

    headers = signing.signed_headers(
        message_id="msg_1", at=at, payload=b'{"a":1}', secrets=[secret]
    )

    assert secret.reveal().startswith("whsec_")
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    assert 24 <= len(key) <= 64
    signed = f"msg_1.{int(at.timestamp())}.".encode() + b'{"a":1}'
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1,{expected}",
    }


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp"])
def test_nothing_that_was_changed_on_its_way_verifies(there: Receiver, changed: str) -> None:
    endpoint, secret = listening(there)
    put(endpoint)
    deliver()
    [one] = there.received
    assert one.is_signed_by(secret)

    if changed == "body":
        one.body = one.body.replace(b'"number":0', b'"number":1')
    elif changed == "webhook-id":
        one.headers[changed] = "msg_another"
    else:
        one.headers[changed] = str(int(one.headers[changed]) - 1)

    assert not one.is_signed_by(secret)


def test_while_a_secret_is_rotated_both_sign_and_then_one(there: Receiver) -> None:
    endpoint, old = listening(there)
    new = endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)
    put(endpoint)
    deliver()
    [both] = there.received
    assert both.headers["webhook-signature"].count("v1,") == 2
    assert both.is_signed_by(old)
    assert both.is_signed_by(new)

    endpoints.previous_secret_end(endpoint=endpoint, actor=ADMIN)
    put(endpoint)
    deliver()

    last = there.received[-1]
    assert last.is_signed_by(new)
    assert not last.is_signed_by(old)
    assert the_endpoint().previous_secret_sealed is None
    assert [one.detail["host"] for one in events("admin.webhook.secret_rotated")] == [endpoint.host]
    assert len(events("admin.webhook.old_secret_ended")) == 1


def test_an_old_secret_signs_for_a_day_and_is_erased_then(
    there: Receiver,
) -> None:
    endpoint, old = listening(there)
    endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)
    WebhookEndpoint.objects.update(previous_until=timezone.now())
    put(endpoint)

    deliver()

    assert not there.received[0].is_signed_by(old)
    delivering.forget_old(at=timezone.now())
    assert the_endpoint().previous_secret_sealed is None


def test_an_old_secret_that_there_is_not_is_not_ended(there: Receiver) -> None:
    endpoint, secret = listening(there)

    endpoints.previous_secret_end(endpoint=endpoint, actor=ADMIN)

    assert not events("admin.webhook.old_secret_ended")
    assert the_endpoint().secret() == secret


def test_a_third_secret_waits_for_the_end_of_the_first(there: Receiver) -> None:
    endpoint, old = listening(there)
    endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)

    with pytest.raises(endpoints.RotationUnderWay):
        endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)

    put(endpoint)
    deliver()
    assert there.received[0].is_signed_by(old)


def test_a_secret_that_is_lost_is_replaced_at_once(there: Receiver) -> None:
    endpoint, _ = listening(there)
    other, _ = endpoint_at(there.url)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret_sealed=other.secret_sealed)

    new = endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)

    put(endpoint)
    deliver()
    [one] = there.received
    assert one.is_signed_by(new)
    assert one.headers["webhook-signature"].count("v1,") == 1


def test_a_secret_moved_from_another_row_signs_nothing(there: Receiver) -> None:
    endpoint, _ = listening(there)
    other, _ = endpoint_at(there.url)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret_sealed=other.secret_sealed)
    [row] = put(endpoint)

    deliver()

    assert there.received == []
    row.refresh_from_db()
    assert (row.state, row.failure) == ("waiting", "seal_broken")


def test_the_secrets_columns_are_known_to_whoever_changes_keys() -> None:
    known = {str(column) for column in sealed_columns.all_columns()}

    table = "vault_webhookendpoint"
    assert {f"{table}.secret_sealed", f"{table}.previous_secret_sealed"} <= known


# When it is not taken


@pytest.mark.parametrize("status", [301, 308, 400, 404, 500, 503])
def test_whatever_is_no_2xx_is_tried_again_under_the_same_id(there: Receiver, status: int) -> None:
    endpoint, secret = listening(there)
    there.answers.append(Says(status, {"Location": there.url + "/elsewhere"}))
    [row] = put(endpoint)

    deliver()
    assert len(there.received) == 1  # no redirect was followed
    row.refresh_from_db()
    assert (row.state, row.response_status, row.attempts) == ("waiting", status, 1)
    assert row.failure == "webhook_not_accepted"
    make_due()
    deliver()

    row.refresh_from_db()
    assert (row.state, row.attempts, row.failure) == ("accepted", 2, "")
    assert len(set(there.ids)) == 1
    assert all(one.is_signed_by(secret) for one in there.received)


def test_attempts_are_further_and_further_apart_for_three_days_and_then_given_up(
    there: Receiver,
) -> None:
    endpoint, _ = listening(there)
    there.otherwise = Says(500)
    [row] = put(endpoint)
    waits: list[float] = []
    deliver()
    while True:
        row.refresh_from_db()
        if row.next_attempt_at is None:
            break
        assert row.last_attempt_at is not None
        waits.append((row.next_attempt_at - row.last_attempt_at).total_seconds())
        make_due()
        deliver()

    assert row.state == "failed"
    assert len(there.received) == 10
    for wait, least in zip(waits, delivering.DELAYS_S, strict=True):
        assert least <= wait <= least * 1.1 + 20
    assert 2.9 * 86400 < sum(delivering.DELAYS_S) < 3.1 * 86400
    make_due()
    assert deliver() == 0


def test_retry_after_is_kept_for_the_whole_endpoint_within_an_hour(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(429, {"Retry-After": "999999"}))
    [row] = put(endpoint)
    deliver()

    row.refresh_from_db()
    assert row.last_attempt_at is not None
    assert row.next_attempt_at is not None
    wait_s = (row.next_attempt_at - row.last_attempt_at).total_seconds()
    assert 3600 <= wait_s < 3700
    put(endpoint)
    assert deliver() == 0
    assert len(there.received) == 1


def test_a_retry_after_that_no_calendar_has_counts_as_none(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(503, {"Retry-After": f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT"}))
    [row] = put(endpoint)

    deliver()

    row.refresh_from_db()
    assert (row.claimed_by, row.response_status) == (None, 503)
    assert row.next_attempt_at is not None
    assert the_endpoint().failing_since is not None


def test_what_was_taken_meanwhile_shortens_no_wait(there: Receiver) -> None:
    endpoint, _ = listening(there)
    put(endpoint, count=3)
    told_to_wait, taken, unanswered = delivering._claim(endpoint.pk, 3)

    delivering.settle(
        told_to_wait,
        sending.Answer(429, "webhook_not_accepted", retry_after_s=1800, is_away=True),
    )
    delivering.settle(taken, sending.Answer(204))
    delivering.settle(unanswered, sending.Answer(failure="http_unanswered", is_away=True))

    until = the_endpoint().not_before
    assert until is not None
    assert until > timezone.now() + timedelta(minutes=29)


def test_an_endpoint_that_is_away_costs_a_few_attempts_and_not_one_for_each_event() -> None:
    with closing(create_server(("127.0.0.1", 0))) as nobody:
        port = nobody.getsockname()[1]
    endpoint, _ = endpoint_at(f"http://127.0.0.1:{port}/")
    put(endpoint, count=30)

    made = deliver()

    assert 0 < made < 30
    failed = WebhookDelivery.objects.filter(failure="http_unreachable")
    assert failed.count() == made


@pytest.mark.parametrize(
    "said", [Says(silent=True), Says(200, body=b"slow", hangs=True)], ids=["silent", "slow_body"]
)
def test_a_receiver_that_takes_its_time_is_not_waited_for(
    there: Receiver, said: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = sending.send
    monkeypatch.setattr(sending, "send", lambda message: send(message, timeout_s=0.3))
    endpoint, _ = listening(there)
    there.answers.append(said)
    [row] = put(endpoint)

    deliver()

    row.refresh_from_db()
    assert (row.state, row.failure) == ("waiting", "http_unanswered")


def test_an_answer_that_is_too_large_is_not_read(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(200, body=b"x" * (sending.MAX_BYTES + 1)))
    [row] = put(endpoint)

    deliver()

    row.refresh_from_db()
    assert (row.state, row.failure) == ("waiting", "http_too_large")


def test_several_are_under_way_at_once_and_a_slow_endpoint_holds_up_no_other(
    there: Receiver,
) -> None:
    with receiving() as slow:
        slow.otherwise = Says(silent=True)
        held, _ = listening(slow)
        endpoint, _ = listening(there)
        put(held, count=3)
        put(endpoint, count=20)
        run = threading.Thread(target=deliver)
        run.start()
        assert slow.came.wait(10)
        deadline = timezone.now() + timedelta(seconds=10)
        while len(there.received) < 20 and timezone.now() < deadline:
            threading.Event().wait(0.02)
        taken = len(there.received)
        still = run.is_alive()
        slow.let_go.set()
        run.join()

    assert taken == 20
    assert still
    assert slow.most_at_once == 3


def test_an_answer_that_cannot_be_kept_holds_up_no_other_and_is_sent_again(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, _ = listening(there)
    unlucky, other = put(endpoint, count=2)
    settle = delivering.settle

    def fails(claim: delivering.Claim, answer: sending.Answer) -> None:
        if claim.delivery.pk == unlucky.pk:
            raise DatabaseError
        settle(claim, answer)

    with monkeypatch.context() as patched:
        patched.setattr(delivering, "settle", fails)
        deliver()
    other.refresh_from_db()
    assert other.state == "accepted"
    make_due()

    deliver()

    unlucky.refresh_from_db()
    assert (unlucky.state, unlucky.attempts) == ("accepted", 2)
    assert there.ids.count(unlucky.message_id) == 2


def test_a_lane_that_breaks_ends_no_other(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, _ = listening(there)
    endpoint, _ = listening(there)
    put(broken)
    [row] = put(endpoint)
    claim = delivering._claim

    def fails(endpoint_id: UUID, most: int) -> list[delivering.Claim]:
        if endpoint_id == broken.pk:
            raise DatabaseError
        return claim(endpoint_id, most)

    monkeypatch.setattr(delivering, "_claim", fails)

    assert deliver() == 1

    row.refresh_from_db()
    assert row.state == "accepted"


def test_a_worker_that_stops_finishes_what_is_under_way_and_begins_nothing(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, send = threading.Event(), sending.send

    async def last(message: sending.Message) -> sending.Answer:
        stopping.set()
        return await send(message)

    monkeypatch.setattr(sending, "send", last)
    endpoint, _ = listening(there)
    put(endpoint, count=12)

    assert delivering.deliver_due(for_s=20, stopping=stopping) == 8
    assert delivering.deliver_due(for_s=20, stopping=stopping) == 0

    assert len(there.received) == 8
    assert WebhookDelivery.objects.filter(state="waiting", attempts=0).count() == 4


def test_nothing_is_claimed_of_an_endpoint_that_is_gone(db: None) -> None:
    assert delivering._claim(uuid4(), 1) == []


def test_no_lock_is_held_while_a_receiver_takes_its_time(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(silent=True))
    [row] = put(endpoint)
    run = threading.Thread(target=deliver)
    run.start()
    assert there.came.wait(10)

    held = WebhookDelivery.objects.filter(pk=row.pk)
    assert held.update(failure="looked at") == 1
    assert WebhookEndpoint.objects.update(description="still free") == 1

    there.let_go.set()
    run.join()


# What may not be sent to


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/", "https://127.0.0.2/", "https://[::1]/", "https://2130706433/",
        "https://169.254.169.254/latest/meta-data/", "http://hooks.example/", "ftp://127.0.0.1/",
        "https://user:pass@hooks.example/", "/hooks", "https://hooks.example/#part",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_sent_to_is_refused_and_nothing_is_stored(url: str) -> None:
    with pytest.raises(InvalidRequest):
        endpoint_at(url)

    assert not WebhookEndpoint.objects.exists()
    assert not events("admin.webhook.added")


def test_only_this_machine_is_sent_to_in_clear_though_a_host_is_listed(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["hooks.internal", "localhost"]

    with pytest.raises(InvalidRequest):
        endpoint_at("http://hooks.internal/")
    endpoint_at("https://hooks.internal/")
    endpoint_at("http://localhost:1/")


def test_an_address_that_became_private_is_not_sent_to(there: Receiver, settings: Any) -> None:
    endpoint, _ = listening(there)
    [row] = put(endpoint)
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = []

    deliver()

    assert there.received == []
    row.refresh_from_db()
    assert (row.state, row.failure) == ("waiting", "http_refused")


def test_another_machine_is_not_sent_to_in_clear_whatever_the_row_says(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["hooks.internal"]
    endpoint, _ = endpoint_at("https://hooks.internal/")
    WebhookEndpoint.objects.update(url="http://hooks.internal/")
    [row] = put(endpoint)

    deliver()

    row.refresh_from_db()
    assert (row.state, row.failure) == ("waiting", "http_refused")


# How it ends


def test_gone_switches_the_endpoint_off_on_record_and_nothing_more_is_sent(
    there: Receiver,
) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(410))
    [row] = put(endpoint)
    deliver()
    put(endpoint, count=2)

    assert deliver() == 0

    stopped = the_endpoint()
    assert (stopped.enabled, stopped.ended) == (False, "webhook_gone")
    row.refresh_from_db()
    assert (row.state, row.response_status) == ("failed", 410)
    others = WebhookDelivery.objects.exclude(pk=row.pk)
    assert set(others.values_list("state", "failure")) == {("failed", "webhook_switched_off")}
    [record] = events("vault.webhook.switched_off")
    assert (record.reason, record.detail["webhook"]) == ("webhook_gone", str(endpoint.pk))
    assert len(there.received) == 1


def test_an_endpoint_that_fails_for_the_whole_span_is_switched_off(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.otherwise = Says(500)
    put(endpoint)
    deliver()
    since = the_endpoint().failing_since
    assert since is not None
    nearly = since - delivering.FAILING_FOR + timedelta(minutes=1)
    WebhookEndpoint.objects.update(failing_since=nearly)
    make_due()
    deliver()
    assert the_endpoint().enabled

    WebhookEndpoint.objects.update(failing_since=since - delivering.FAILING_FOR)
    make_due()
    deliver()

    stopped = the_endpoint()
    assert (stopped.enabled, stopped.ended) == (False, "webhook_failing")
    assert [one.reason for one in events("vault.webhook.switched_off")] == ["webhook_failing"]


def test_one_event_that_is_taken_begins_the_span_anew(there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers.append(Says(500))
    put(endpoint)
    deliver()
    WebhookEndpoint.objects.update(failing_since="2020-01-01T00:00:00Z")
    put(endpoint)

    deliver()

    assert the_endpoint().failing_since is None
    there.answers.append(Says(500))
    make_due()
    deliver()
    assert the_endpoint().enabled


def test_switched_on_again_it_begins_anew(there: Receiver) -> None:
    endpoint, _ = listening(there)
    WebhookEndpoint.objects.update(
        enabled=False, ended="webhook_failing", failing_since="2020-01-01T00:00:00Z"
    )
    stopped = the_endpoint()
    stopped.enabled = True

    endpoints.endpoint_change(endpoint=stopped, actor=ADMIN)

    begun = the_endpoint()
    assert (begun.enabled, begun.ended, begun.failing_since) == (True, "", None)
    there.answers.append(Says(500))
    put(endpoint)
    deliver()
    assert the_endpoint().enabled


# Sent again, tested, forgotten


def test_what_was_given_up_is_sent_again_under_its_id(there: Receiver) -> None:
    endpoint, _ = listening(there)
    [row] = put(endpoint)
    WebhookDelivery.objects.update(state="failed", next_attempt_at=None, attempts=10)
    assert deliver() == 0

    endpoints.delivery_resend(delivery=row, actor=ADMIN)
    deliver()

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("accepted", 1)
    assert there.ids == [row.message_id]
    assert [one.detail["delivery"] for one in events("admin.webhook.resent")] == [str(row.pk)]


@pytest.mark.parametrize("why", ["accepted", "claimed", "off"])
def test_what_is_not_to_be_resent_is_not(there: Receiver, why: str) -> None:
    endpoint, _ = listening(there)
    [row] = put(endpoint)
    if why == "accepted":
        deliver()
    elif why == "claimed":
        assert delivering._claim(endpoint.pk, 1)
    else:
        WebhookEndpoint.objects.update(enabled=False)
    before = WebhookDelivery.objects.values().get()

    with pytest.raises(endpoints.NotToResend):
        endpoints.delivery_resend(delivery=row, actor=ADMIN)

    assert WebhookDelivery.objects.values().get() == before
    assert not events("admin.webhook.resent")


def test_a_test_event_is_sent_at_once_and_once_and_says_what_came_of_it(there: Receiver) -> None:
    endpoint, secret = listening(there)
    WebhookEndpoint.objects.update(enabled=False)  # before it is switched on
    there.answers += [Says(204), Says(500)]

    taken = endpoints.endpoint_probe(endpoint=endpoint, actor=ADMIN)
    refused = endpoints.endpoint_probe(endpoint=endpoint, actor=ADMIN)

    assert (refused.status, refused.failure) == (500, "webhook_not_accepted")
    assert (taken.status, taken.failure) == (204, "")
    said = there.received[0].verified(secret)
    assert said["type"] == TEST_EVENT
    assert said["data"] == {"webhook_id": str(endpoint.pk)}
    assert sorted(WebhookDelivery.objects.values_list("state", flat=True)) == ["accepted", "failed"]
    assert the_endpoint().failing_since is None
    assert the_endpoint().last_accepted_at is None
    assert len(events("admin.webhook.tested")) == 2


def test_a_test_event_without_a_secret_that_opens_is_not_sent(there: Receiver) -> None:
    endpoint, _ = listening(there)
    other, _ = endpoint_at(there.url)
    endpoint.secret_sealed = other.secret_sealed

    answer = endpoints.endpoint_probe(endpoint=endpoint, actor=ADMIN)

    assert answer.failure == "seal_broken"
    assert there.received == []
    assert the_delivery().state == "failed"


def test_deliveries_of_long_ago_are_deleted(there: Receiver) -> None:
    endpoint, _ = listening(there)
    old, young = put(endpoint, count=2)
    long_ago = timezone.now() - delivering.KEPT_FOR - timedelta(minutes=1)
    WebhookDelivery.objects.filter(pk=old.pk).update(created_at=long_ago)

    assert delivering.forget_old(at=timezone.now()) == 1

    assert the_delivery().pk == young.pk


def test_an_endpoint_goes_with_its_secrets_and_with_what_was_to_be_sent(there: Receiver) -> None:
    endpoint, _ = listening(there)
    put(endpoint)

    endpoints.endpoint_delete(endpoint=endpoint, actor=ADMIN)

    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert deliver() == 0
    assert len(events("admin.webhook.deleted")) == 1


def test_who_lost_the_lease_changes_nothing_any_more(there: Receiver) -> None:
    endpoint, _ = listening(there)
    put(endpoint)
    [late] = delivering._claim(endpoint.pk, 1)
    make_due()
    [taken_over] = delivering._claim(endpoint.pk, 1)

    delivering.settle(late, sending.Answer(500, "webhook_not_accepted"))

    row = the_delivery()
    assert (row.claimed_by, row.response_status, row.attempts) == (taken_over.by, None, 2)
    assert the_endpoint().failing_since is None


def test_neither_the_address_nor_the_secret_is_on_record_or_in_the_log(
    there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint, secret = listening(there)
    new = endpoints.secret_rotate(endpoint=endpoint, actor=ADMIN)
    there.answers += [Says(500), Says(410)]
    put(endpoint, count=2)
    deliver()

    kept = str([one.detail for one in events("admin.webhook.added")])
    kept += str([one.detail for one in events("admin.webhook.secret_rotated")])
    kept += str([one.detail for one in events("vault.webhook.switched_off")])
    logged = " ".join(str(record.__dict__) for record in caplog.records if "vault" in record.name)
    assert "vault.webhook.not_accepted" in logged
    for hidden in ("an-address-nobody-guesses", secret.reveal(), new.reveal()):
        assert hidden not in kept
        assert hidden not in logged
