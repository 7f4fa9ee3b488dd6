"""What the vault's doctor finds, what it mends, and that otherwise it changes nothing."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from core import aws as clients
from core import crypto, sealed_columns, wrapping
from core.models import DataKey, TokenVault, User
from portal.sessions import SessionStore
from tests.fixtures.aws import Aws
from tests.vault.conftest import World, events
from tests.vault.webhook_parts import endpoint_at, put
from vault.ending import revocations
from vault.models import ConsentSession, Grant, Revocation, WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timezone.now() - timedelta(days=5)
NEW_KEY = base64.b64encode(b"n" * 32).decode()


def examine(*options: str) -> tuple[int, list[dict[str, Any]], dict[str, int]]:
    """Return the exit status, the findings and the summary."""
    out = StringIO()
    crypto.forget_opened_keys()
    try:
        call_command("vault_doctor", "--json", *options, stdout=out, stderr=StringIO())
        status = 0
    except CommandError as exc:
        status = exc.returncode
    *found, last = [json.loads(line) for line in out.getvalue().splitlines()]
    return status, found, last["summary"]


def everything() -> dict[str, list[Any]]:
    """Return every row of every table that holds secrets, as it is stored."""
    models = {column.model for column in sealed_columns.all_columns()} | {DataKey, TokenVault}
    return {
        model._meta.db_table: [
            {k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()}
            for row in model._base_manager.order_by("pk").values()
        ]
        for model in models
    }


def test_a_healthy_vault_has_nothing_to_find(world: World, alice: User) -> None:
    world.grant(alice)
    SessionStore().save(must_create=True)
    before = everything()

    status, found, summary = examine()

    assert (status, found) == (0, [])
    assert summary["opened"] >= 5
    assert everything() == before


def test_each_missing_key_is_named_with_how_many_values_it_sealed(
    world: World, alice: User, bob: User, settings: Any
) -> None:
    world.grant(alice)
    world.grant(bob)
    settings.VAULT_KEYS = f"other:{NEW_KEY}"

    status, found, _ = examine()

    lost = {one["where"]: one for one in found if one["check"] == "key_missing"}
    assert status == 1
    assert (
        lost["vault_grant.access_sealed"]["key"],
        lost["vault_grant.access_sealed"]["count"],
    ) == ("test", 2)
    assert {one["key"] for one in found if one["check"] == "data_key_lost"} == {"test"}


def test_a_data_key_that_is_gone_is_named_by_its_id(world: World, alice: User) -> None:
    grant = world.grant(alice)
    DataKey.objects.filter(purpose="vault").delete()

    status, found, _ = examine()

    assert status == 1
    gone = str(crypto.data_key_of(grant.access_sealed or b""))
    assert {one["key"] for one in found} == {gone}


def test_each_broken_seal_is_named_by_table_column_and_row(
    world: World, alice: User, bob: User
) -> None:
    one, other = world.grant(alice), world.grant(bob)
    Grant.objects.filter(pk=one.pk).update(refresh_sealed=other.refresh_sealed)
    Session.objects.create(session_key="x" * 40, session_data="plain", expire_date=timezone.now())

    status, found, _ = examine()

    assert status == 1
    assert {(f["check"], f["where"], f["row"]) for f in found} == {
        ("seal_broken", "vault_grant.refresh_sealed", str(one.pk)),
        ("seal_broken", "django_session.session_data", "x" * 40),
    }


def test_a_grant_that_nobody_would_refresh_is_found_and_made_due(world: World, alice: User) -> None:
    grant = world.grant(alice)
    Grant.objects.update(next_refresh_at=None)

    assert [(f["check"], f["row"]) for f in examine()[1]] == [("no_due_time", str(grant.pk))]
    assert Grant.objects.get().next_refresh_at is None
    assert events("vault.doctor.mended") == []

    status, found, summary = examine("--fix")

    assert (status, found[0]["mended"], summary["mended"]) == (0, True, 1)
    assert Grant.objects.get().next_refresh_at is not None
    [record] = events("vault.doctor.mended")
    assert (record.reason, record.subject_sub) == ("no_due_time", "alice")
    assert examine()[:2] == (0, [])


def test_what_is_late_or_was_abandoned_is_counted(world: World, alice: User) -> None:
    grant = world.grant(alice)
    revocations.queue(grant, grant.access_token() or pytest.fail(), None)
    Grant.objects.update(next_refresh_at=LONG_AGO, spending_since=LONG_AGO)
    Revocation.objects.update(next_attempt_at=LONG_AGO, created_at=LONG_AGO)
    put(endpoint_at("http://127.0.0.1:9/")[0], count=2)
    put(endpoint_at("http://127.0.0.1:9/", enabled=False)[0])
    WebhookDelivery.objects.update(next_attempt_at=LONG_AGO)

    status, found, _ = examine("--fix")

    assert status == 1
    assert [(f["check"], f["count"], f["mended"]) for f in found] == [
        ("refresh_late", 1, False),
        ("refresh_abandoned", 1, False),
        ("revocation_late", 1, False),
        ("revocation_stuck", 1, False),
        ("webhook_late", 2, False),
    ]


def test_consent_sessions_open_past_their_time_are_ended(world: World, alice: User) -> None:
    world.wait(alice)
    ConsentSession.objects.update(expires_at=LONG_AGO)

    assert [f["check"] for f in examine()[1]] == ["consent_orphaned"]
    assert ConsentSession.objects.get().status == ConsentSession.Status.PENDING

    status, found, _ = examine("--fix")

    assert (status, [f["mended"] for f in found]) == (0, [True])
    assert ConsentSession.objects.get().status == ConsentSession.Status.EXPIRED
    assert len(events("vault.consent.expired")) == 1


def test_a_row_that_is_over_and_holds_a_secret_is_found(world: World, alice: User) -> None:
    grant = world.grant(alice)
    name = "vault_grant_revoked_holds_no_secret"
    [constraint] = [c for c in Grant._meta.constraints if c.name == name]
    with connection.schema_editor() as editor:  # as in a dump that was restored without it
        editor.remove_constraint(Grant, constraint)
    try:
        Grant.objects.update(state="revoked")

        status, found, _ = examine("--fix")

        assert (status, [(f["check"], f["row"]) for f in found]) == (
            1,
            [("held_wrongly", str(grant.pk))],
        )
    finally:
        Grant.objects.update(state="live")
        with connection.schema_editor() as editor:
            editor.add_constraint(Grant, constraint)


def test_keys_that_are_unused_or_wrapped_by_an_older_key_are_worth_a_note(
    world: World, alice: User, settings: Any
) -> None:
    world.grant(alice)
    unused = wrapping.new_data_key("site", kek_id="test")
    unused.retired_at = LONG_AGO
    unused.save(force_insert=True)
    settings.VAULT_KEYS = f"newest:{NEW_KEY},{settings.VAULT_KEYS}"

    status, found, _ = examine()

    assert status == 0
    assert {f["check"]: f["is_wrong"] for f in found} == {
        "data_key_unused": False,
        "data_key_wrapped_by_older": False,
    }
    assert [f["row"] for f in found if f["check"] == "data_key_unused"] == [str(unused.pk)]


def test_a_reset_that_was_interrupted_is_found(db: None) -> None:
    TokenVault.objects.create(pk="default", lost_key_arn="arn:aws:kms:gone")

    assert [(f["check"], f["key"]) for f in examine()[1]] == [
        ("reset_unfinished", "arn:aws:kms:gone")
    ]


def test_while_kms_is_away_it_says_so_and_finds_nothing_missing(
    aws: Aws, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapping.new_data_key("vault", kek_id=aws.new_key()).save(force_insert=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    clients.forget()

    with pytest.raises(CommandError) as caught:
        call_command("vault_doctor", stdout=StringIO(), stderr=StringIO())

    assert caught.value.returncode == 3


def test_a_person_reads_a_line_for_each_finding_and_no_secret(world: World, alice: User) -> None:
    grant = world.grant(alice)
    Grant.objects.update(next_refresh_at=None)
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("vault_doctor", stdout=out, stderr=StringIO())

    first, last = out.getvalue().splitlines()
    assert first == (
        f"wrong: vault_grant {grant.pk}: The grant expires, and no refresh is planned. "
        "[no_due_time]"
    )
    assert last.endswith("1 findings: 1 wrong, 0 mended.")
    assert "at-" not in out.getvalue()


def test_it_reads_a_table_in_batches(
    world: World, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant(alice)
    world.grant(bob)
    monkeypatch.setattr(sealed_columns, "BATCH", 1)

    assert examine()[0] == 0
