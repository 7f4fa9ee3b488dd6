"""The description of the site's own API is true, complete and the one in the repository."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from rest_framework.views import APIView

from core.api import DenyAll
from portal.api import reference_page
from portal.api.openapi import document
from tests.engines import CHECKOUT
from vault.token_endpoint.exchange import GRANT_TYPES
from vault.token_endpoint.openapi import SCHEMAS

KEPT = Path(CHECKOUT, "docs", "openapi.json")


def api_views(
    patterns: list[URLPattern | URLResolver], prefix: str = "/"
) -> Iterator[tuple[str, type[APIView]]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_views(pattern.url_patterns, path)
            continue
        view: Any = getattr(pattern.callback, "view_class", object)
        if issubclass(view, APIView):
            yield path, view


def test_it_is_a_valid_document_made_without_a_warning() -> None:
    document.cache_clear()
    GENERATOR_STATS.reset()

    validate_schema(document())  # type: ignore[no-untyped-call]  # it has no types

    assert not GENERATOR_STATS


def test_it_is_the_one_in_the_repository() -> None:
    kept = json.loads(KEPT.read_text())

    assert kept == document(), "python manage.py openapi > docs/openapi.json"


def test_every_view_of_the_api_is_in_it_with_its_methods_and_a_guard() -> None:
    described = {
        (path, method)
        for path, methods in document()["paths"].items()
        for method in methods
        if path != "/oauth2/token"
    }
    served = set()
    for path, view in api_views(get_resolver().url_patterns):
        assert view.permission_classes != [DenyAll], path
        bare = re.sub(r"<\w+:(\w+)>", r"{\1}", path)
        methods = ("get", "post", "put", "patch", "delete")
        served |= {(bare, method) for method in methods if hasattr(view, method)}

    assert served
    assert described == served


def test_each_call_says_who_may_make_it() -> None:
    known = document()["components"]["securitySchemes"].keys()
    for section in reference_page.sections(document()):
        for operation in section.operations:
            assert operation.guards, operation.id
            assert set(operation.guards) <= known


def test_what_is_written_by_hand_names_what_the_token_endpoint_takes() -> None:
    parameters = SCHEMAS["TokenRequest"]["properties"]

    assert parameters["grant_type"]["enum"] == GRANT_TYPES


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(document())
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert named <= document()["components"]["schemas"].keys()


@pytest.mark.django_db
def test_anybody_reads_it_and_nothing_inline_is_in_the_page(client: Client) -> None:
    told: Any = client.get("/api/v1/openapi.json")
    page = client.get("/api/docs/")
    text = page.content.decode()

    assert told.json() == document()
    assert page.status_code == 200
    assert "/oauth2/token" in text
    assert "<style" not in text and " style=" not in text and "onclick" not in text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    for section in reference_page.sections(document()):
        for operation in section.operations:
            assert f'id="{operation.id}"' in text
    for name in document()["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    assert client.post("/api/docs/").status_code == 405
