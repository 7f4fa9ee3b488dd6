"""Every operation and every admin page of this app says whom it lets in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.test import RequestFactory

from agents.keys.callers import Caller
from agents.models import AccessKey, Agent, RuntimeSession, WorkloadIdentity
from core.errors import Forbidden
from core.models import User
from core.wire.app import Call
from portal.wire import OPERATIONS

OURS = (Agent, WorkloadIdentity, AccessKey, RuntimeSession, User)
# Which operations a key may ask for that is bound to a workload identity: for its own alone.
FOR_AGENTS = {
    "GetWorkloadIdentity",
    "GetWorkloadAccessToken",
    "GetWorkloadAccessTokenForJWT",
    "GetWorkloadAccessTokenForUserId",
    "GetResourceApiKey",
    "GetResourceOauth2Token",
    "CompleteResourceTokenAuth",
}


def _call(operation: str, caller: Caller) -> Call[Caller]:
    return Call(operation=operation, input={}, caller=caller, request_id="", client_ip=None)


def test_a_bound_key_may_ask_for_what_is_listed_here_and_for_nothing_else() -> None:
    for operation in OPERATIONS:
        operation.guard(_call(operation.name, Caller("AKIA", None)))
        bound = _call(operation.name, Caller("AKIA", "batch"))
        if operation.name in FOR_AGENTS:
            operation.guard(bound)
        else:
            with pytest.raises(Forbidden):
                operation.guard(bound)

    assert {operation.name for operation in OPERATIONS} > FOR_AGENTS


@pytest.mark.parametrize("model", OURS)
def test_an_admin_page_names_its_fields_and_shows_nothing_sealed(model: Any) -> None:
    page: Any = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True)
    shown = set(flatten_fieldsets(page.get_fieldsets(request, None)))
    shown |= set(page.list_display) | set(page.search_fields)

    assert shown
    assert not [name for name in shown if "sealed" in name or "password" in name]
    assert not [
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField) and field.name in shown
    ]


@pytest.mark.parametrize("model", OURS)
def test_every_admin_action_needs_a_permission(model: Any) -> None:
    page: Any = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    request.user = User(is_active=False)  # somebody without any permission

    for function, name, _ in page._get_base_actions():
        assert getattr(function, "allowed_permissions", ()), f"{model.__name__}.{name}"
    assert not [name for name in page.get_actions(request) if name != "delete_selected"]
