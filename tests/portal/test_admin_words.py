"""What the admin site calls things: in words that are translated, not by the names of columns."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field
from django.test import RequestFactory
from django.utils.functional import Promise

from core.models import User

pytestmark = pytest.mark.django_db


def shown(page: admin.ModelAdmin[Any], request: Any) -> set[str]:
    """Return the names of all that a list and the page of a row show."""
    of_a_row = flatten_fieldsets(page.get_fieldsets(request, page.model()))
    listed: list[Any] = [*page.get_list_display(request), *page.get_list_filter(request)]
    return {*of_a_row, *(each for each in listed if isinstance(each, str))}


def test_every_field_that_is_shown_has_a_name_that_is_translated() -> None:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    bare = []
    for model, page in admin.site._registry.items():
        labels = page.get_form(request, page.model())._meta.labels or {}
        for name in shown(page, request) - set(labels):
            try:
                field = model._meta.get_field(name)
            except FieldDoesNotExist:
                continue
            if isinstance(field, Field) and not isinstance(field.verbose_name, Promise):
                bare.append(f"{model.__name__}.{name}")
    assert bare == []
