"""Workload identities over the wire API: what operators do to them, and what agents may not."""

from __future__ import annotations

from typing import Any

import pytest

from agents.errors import ForeignWorkload, NameTaken, WorkloadInUse, WorkloadUnknown
from agents.keys.access_keys import access_key_create
from agents.keys.callers import Caller
from agents.models import AccessKey, WorkloadIdentity
from core.errors import Forbidden, InvalidRequest
from core.models import AuditEvent, User
from tests.vault.conftest import ADMIN, World
from tests.wire.asking import ask, field_of, refused
from vault.ending import cascade
from vault.models import ConsentSession, Grant, Revocation

pytestmark = pytest.mark.django_db

URL = "https://app.example/done"


def created(name: str = "batch", *urls: str) -> dict[str, Any]:
    return ask("CreateWorkloadIdentity", name=name, allowedResourceOauth2ReturnUrls=[*urls])


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_what_was_created_is_told() -> None:
    made = created("batch", URL)

    told = ask("GetWorkloadIdentity", name="batch")
    assert made.items() <= told.items()
    assert made["workloadIdentityArn"].endswith(":workload-identity-directory/default/"
                                                "workload-identity/batch")  # fmt: skip
    assert isinstance(told["createdTime"], float)


def test_tags_come_with_it_and_go_with_it() -> None:
    arn = ask("CreateWorkloadIdentity", name="batch", tags={"team": "a"})["workloadIdentityArn"]
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {"team": "a"}}

    ask("DeleteWorkloadIdentity", name="batch")
    created()
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {}}


def test_nothing_is_created_with_a_tag_that_cannot_be() -> None:
    asked = {"name": "batch", "tags": {"aws:team": "a"}}

    assert field_of(refused(InvalidRequest, "CreateWorkloadIdentity", **asked)) == "tags"
    assert not WorkloadIdentity.objects.exists()


def test_a_name_is_given_once() -> None:
    created()

    refused(NameTaken, "CreateWorkloadIdentity", name="batch")
    assert WorkloadIdentity.objects.count() == 1


def test_an_update_puts_its_list_in_place_of_the_one_before() -> None:
    created("batch", URL, "https://app.example/other")

    told = ask("UpdateWorkloadIdentity", name="batch", allowedResourceOauth2ReturnUrls=[URL])
    assert told["allowedResourceOauth2ReturnUrls"] == [URL]
    assert ask("UpdateWorkloadIdentity", name="batch") == told
    emptied = ask("UpdateWorkloadIdentity", name="batch", allowedResourceOauth2ReturnUrls=[])
    assert emptied["allowedResourceOauth2ReturnUrls"] == []
    assert emptied["lastUpdatedTime"] > told["lastUpdatedTime"]


@pytest.mark.parametrize("operation", ["CreateWorkloadIdentity", "UpdateWorkloadIdentity"])
def test_a_page_to_come_back_to_is_one_of_the_web(operation: str) -> None:
    WorkloadIdentity.objects.create(name="there")
    name = "there" if operation.startswith("Update") else "batch"

    refusal = refused(
        InvalidRequest, operation, name=name, allowedResourceOauth2ReturnUrls=["app:done"]
    )
    assert field_of(refusal) == "allowedResourceOauth2ReturnUrls"
    assert actions() == []


@pytest.mark.parametrize(
    "operation", ["GetWorkloadIdentity", "UpdateWorkloadIdentity", "DeleteWorkloadIdentity"]
)
def test_what_there_is_not_is_not_found(operation: str) -> None:
    refused(WorkloadUnknown, operation, name="nowhere")


def test_an_agents_key_sees_its_own_identity_and_changes_none() -> None:
    created("batch", URL)
    created("other")
    own = Caller("AKIAAGENT", "batch")

    assert ask("GetWorkloadIdentity", own, name="batch")["name"] == "batch"
    with pytest.raises(ForeignWorkload):
        ask("GetWorkloadIdentity", own, name="other")
    for operation in ("Create", "Update", "Delete"):
        with pytest.raises(Forbidden):
            ask(f"{operation}WorkloadIdentity", own, name="batch")
    with pytest.raises(Forbidden):
        ask("ListWorkloadIdentities", own)
    assert ask("GetWorkloadIdentity", name="batch")["allowedResourceOauth2ReturnUrls"] == [URL]


def test_with_an_identity_go_its_keys_and_what_people_granted(world: World, alice: User) -> None:
    grant = world.grant(alice)
    world.identity.agent.delete()
    key, _secret = access_key_create(label="x", workload_identity=world.identity, actor=ADMIN)

    assert ask("DeleteWorkloadIdentity", name=world.identity.name) == {}

    assert not WorkloadIdentity.objects.filter(pk=world.identity.pk).exists()
    assert not AccessKey.objects.filter(pk=key.pk).exists()
    assert not Grant.objects.filter(pk=grant.pk).exists()
    assert not ConsentSession.objects.exists()
    assert actions()[-2:] == ["vault.grant.revoked", "admin.workload_identity.deleted"]
    # What is left to tell the provider is kept, and opens without the identity.
    assert Revocation.objects.get().access_token().reveal()


def test_an_agents_own_identity_is_not_deleted_under_it(world: World, alice: User) -> None:
    grant = world.grant(alice)

    refusal = refused(WorkloadInUse, "DeleteWorkloadIdentity", name=world.identity.name)

    assert field_of(refusal) == "name"
    assert refusal.aws == "ValidationException"
    assert "concierge-0123456789" in str(refusal.message)
    assert Grant.objects.get(pk=grant.pk).state == Grant.State.LIVE
    assert "vault.grant.revoked" not in actions()
    assert not Revocation.objects.exists()


def test_more_than_one_transaction_ends_is_not_ended(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    world.identity.agent.delete()
    monkeypatch.setattr(cascade, "MOST_GRANTS", 0)

    refused(WorkloadInUse, "DeleteWorkloadIdentity", name=world.identity.name)

    assert Grant.objects.get(pk=grant.pk).state == Grant.State.LIVE
    assert not Revocation.objects.exists()
