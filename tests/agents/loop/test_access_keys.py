from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.keys import access_keys, verification
from agents.keys.callers import Caller
from agents.models import AccessKey, WorkloadIdentity
from core.crypto import SealBroken
from core.models import AuditEvent
from core.secret import Secret
from core.wire.canonical import SignedRequest
from core.wire.sigv4 import Reason, SignatureRefused
from tests.agents.conftest import ADMIN, recorded
from tests.agents.signing import signed_headers
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")
READ = "GetWorkloadAccessToken"
URL = "https://daiko.example/identities/GetWorkloadAccessToken"


@pytest.fixture
def batch(db: None) -> WorkloadIdentity:
    return WorkloadIdentity.objects.create(name="batch")


def created(identity: WorkloadIdentity | None = None) -> tuple[AccessKey, Secret]:
    return access_keys.access_key_create(label="test", workload_identity=identity, actor=ADMIN)


def request(key: AccessKey, secret: Secret, **signing: Any) -> SignedRequest:
    body = b"{}"
    headers = signed_headers(URL, key_id=key.access_key_id, secret=secret, body=body, **signing)
    return SignedRequest(
        method="POST",
        raw_path=urlsplit(URL).path.encode(),
        raw_query=b"",
        headers=(
            (b"host", urlsplit(URL).netloc.encode()),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ),
        body_sha256=sha256(body).hexdigest(),
    )


def test_a_key_looks_like_one_of_aws_and_no_two_are_alike(batch: WorkloadIdentity) -> None:
    (one, first), (_, second) = created(batch), created()

    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", one.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", first.reveal())
    assert first != second
    assert str(one) == f"test ({one.access_key_id})"


def test_creating_is_on_record_without_the_secret(batch: WorkloadIdentity) -> None:
    key, secret = created(batch)

    event = AuditEvent.objects.get()
    assert (event.action, event.workload) == ("admin.access_key.created", "batch")
    assert event.detail == {
        "access_key_id": key.access_key_id,
        "kind": "agent",
        "label": "test",
    }
    assert secret.reveal() not in str(vars(event))


def test_the_secret_is_stored_sealed_and_opens_in_its_own_row_only(
    batch: WorkloadIdentity,
) -> None:
    (one, secret), (other, _) = created(batch), created(batch)
    stored = AccessKey.objects.get(pk=one.pk)

    assert stored.secret() == secret
    assert secret.reveal().encode() not in bytes(stored.secret_sealed or b"")
    AccessKey.objects.filter(pk=other.pk).update(secret_sealed=stored.secret_sealed)
    with pytest.raises(SealBroken):
        AccessKey.objects.get(pk=other.pk).secret()


def test_a_key_that_is_bound_to_something_else_by_hand_does_not_open(
    batch: WorkloadIdentity,
) -> None:
    # Whoever can write to the database cannot make an operator's key of an agent's.
    key, _ = created(batch)
    AccessKey.objects.filter(pk=key.pk).update(workload_identity=None, kind="operator")

    with pytest.raises(SealBroken):
        AccessKey.objects.get(pk=key.pk).secret()


def test_who_signed_is_who_holds_the_key(batch: WorkloadIdentity, run: Run[Any]) -> None:
    for identity in (None, batch):
        key, secret = created(identity)

        caller = run(verification.authenticate(request(key, secret), READ))

        assert caller == Caller(key.access_key_id, identity.name if identity else None)


def test_an_operator_acts_as_any_and_an_agents_key_as_its_own() -> None:
    operator, agent = Caller("a", None), Caller("b", "batch")

    assert operator.is_operator
    assert operator.may_act_as("batch")
    assert not agent.is_operator
    assert agent.may_act_as("batch")
    assert not agent.may_act_as("other")
    assert not Caller("c", "").may_act_as("batch")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("disable", Reason.KEY_DISABLED),
        ("forget", Reason.UNKNOWN_KEY),
        ("secret", Reason.MISMATCH),
        ("body", Reason.MISMATCH),
        ("path", Reason.MISMATCH),
        ("query", Reason.MISMATCH),
        ("method", Reason.MISMATCH),
    ],
)
def test_a_signature_that_is_not_good_is_refused_and_on_record(
    run: Run[Any], spoil: str, reason: Reason
) -> None:
    key, secret = created()
    if spoil == "disable":
        access_keys.access_key_switch(key=key, enabled=False, actor=ADMIN)
    elif spoil == "forget":
        key.delete()
    asked = request(key, Secret("x" * 40) if spoil == "secret" else secret)
    asked = {
        "body": replace(asked, body_sha256="0" * 64),
        "path": replace(asked, raw_path=b"/identities/other"),
        "query": replace(asked, raw_query=b"a=b"),
        "method": replace(asked, method="GET"),
    }.get(spoil, asked)

    with pytest.raises(SignatureRefused) as caught:
        run(verification.authenticate(asked, READ))

    assert caught.value.reason == reason
    assert recorded()[-1] == ("wire.call", "refused", reason)
    assert AuditEvent.objects.latest("pk").detail["access_key_id"] == key.access_key_id


def test_what_was_never_signed_is_refused_and_on_record(run: Run[Any]) -> None:
    asked = SignedRequest("POST", b"/identities/x", b"", ((b"host", b"h"),), "0" * 64)

    with pytest.raises(SignatureRefused):
        run(verification.authenticate(asked, READ))

    assert recorded() == [("wire.call", "refused", Reason.MISSING)]


def test_a_key_for_another_region_is_refused(run: Run[Any], settings: Any) -> None:
    key, secret = created()
    settings.AWS_REGION = "eu-west-1"

    with pytest.raises(SignatureRefused) as caught:
        run(verification.authenticate(request(key, secret), READ))

    assert caught.value.reason == Reason.SCOPE


def test_switching_is_on_record_once() -> None:
    key, _ = created()
    for enabled in (False, False, True):
        access_keys.access_key_switch(key=key, enabled=enabled, actor=ADMIN)
        assert AccessKey.objects.get().enabled is enabled

    assert [action for action, *_ in recorded()][1:] == [
        "admin.access_key.disabled",
        "admin.access_key.enabled",
    ]


def test_a_refusal_before_the_body_is_the_same_as_one_after_it(run: Run[Any]) -> None:
    key, secret = created()
    asked = replace(request(key, secret), body_sha256="")

    run(verification.check_head(asked))  # a known key goes on

    key.delete()
    verification.forget()
    with pytest.raises(SignatureRefused) as early:
        run(verification.check_head(asked))
    with pytest.raises(SignatureRefused) as late:
        run(verification.verify(request(key, secret)))
    assert str(early.value.message) == str(late.value.message)
