"""Resource policies on the admin site, by which an admin repairs what a policy shut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent, ResourcePolicy
from agents.policies import stored
from core.models import AuditEvent
from tests.agents.conftest import ADMIN, recorded

pytestmark = pytest.mark.django_db
ADD = "admin:agents_resourcepolicy_add"
DENY = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}


def written(**changed: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {**DENY, **changed}})


def page_of(policy: ResourcePolicy, name: str = "change") -> str:
    return reverse(f"admin:agents_resourcepolicy_{name}", args=[policy.pk])


def test_a_policy_is_written_changed_and_deleted_on_record(admin: Client, concierge: Agent) -> None:
    typed = {"resource_arn": concierge.arn, "document": written()}
    assert admin.post(reverse(ADD), typed).status_code == 302
    policy = ResourcePolicy.objects.get()
    assert concierge.arn in admin.get(page_of(policy)).content.decode()

    # The resource of a policy stays what it is.
    changed = {"resource_arn": "arn:other", "document": written(Sid="Never")}
    assert admin.post(page_of(policy), changed).status_code == 302
    assert stored.policy_of(concierge.arn) == written(Sid="Never")

    assert admin.post(page_of(policy, "delete"), {"post": "yes"}).status_code == 302

    assert not ResourcePolicy.objects.exists()
    actions = [event for event, *_ in recorded() if "policy" in event]
    assert actions == [
        "admin.resource_policy.put",
        "admin.resource_policy.put",
        "admin.resource_policy.deleted",
    ]
    assert AuditEvent.objects.latest("pk").subject_sub == "alice"


@pytest.mark.parametrize(
    ("changed", "field", "named"),
    [
        ({"document": "{}"}, "document", "Version"),
        ({"document": written(NotAction="*")}, "document", "NotAction"),
        (
            {"document": written(Action="bedrock-agentcore:InvokeAgentRunTimes")},
            "document",
            "bedrock-agentcore:InvokeAgentRunTimes is no action on this resource, which has Invoke",
        ),
        ({"resource_arn": "arn:aws:nothing"}, "resource_arn", "no resource"),
        ({"resource_arn": ""}, "resource_arn", "required"),
    ],
)
def test_what_the_wire_api_refuses_is_refused_at_its_field(
    admin: Client, concierge: Agent, changed: dict[str, str], field: str, named: str
) -> None:
    typed = {"resource_arn": concierge.arn, "document": written(), **changed}

    found = admin.post(reverse(ADD), typed).context["adminform"].form.errors

    assert list(found) == [field]
    assert named in found[field][0]
    assert not ResourcePolicy.objects.exists()


def test_policies_that_are_ticked_are_deleted_on_record(admin: Client, concierge: Agent) -> None:
    stored.policy_put(resource_arn=concierge.arn, text=written(), actor=ADMIN)
    ticked = [ResourcePolicy.objects.get().pk]
    listed = reverse("admin:agents_resourcepolicy_changelist")

    admin.post(listed, {"action": "delete_selected", "_selected_action": ticked, "post": "yes"})

    assert not ResourcePolicy.objects.exists()
    assert recorded()[-1][0] == "admin.resource_policy.deleted"


def test_whoever_may_only_look_changes_no_policy(looker: Client, concierge: Agent) -> None:
    stored.policy_put(resource_arn=concierge.arn, text=written(), actor=ADMIN)
    policy = ResourcePolicy.objects.get()

    assert looker.get(page_of(policy)).status_code == 200
    assert looker.post(page_of(policy), {"document": written(Sid="x")}).status_code == 403
    assert looker.post(page_of(policy, "delete"), {"post": "yes"}).status_code == 403
    assert stored.policy_of(concierge.arn) == written()
