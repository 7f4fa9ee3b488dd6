"""Paths and queries that no page of ours makes: refused or led back, and never a bug."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.admin import site as admin_site
from django.test import Client

from agents.admin.audit_filters import TimeFilter
from agents.admin.shared import DeclaredAdmin
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db

TRAIL = "/admin/core/auditevent/"
MODELS = [model for model in apps.get_models() if admin_site.is_registered(model)]
LISTS = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in MODELS]


@pytest.fixture
def alice(visitor: Client, provider: Provider) -> Client:
    """The browser of an admin. What would be a 500 page is raised in the test."""
    sign_in(visitor, provider, "alice")
    return visitor


@pytest.mark.parametrize(
    "address",
    [
        "/chat/new/%00/",
        "/nowhere/%00",
        "/static/%00",
        "/?next=%00",
        "/?%00=1",
        f"{TRAIL}%00/change/",
        *(f"{TRAIL}?{name}=a%00" for name in ("q", "action", "agent", "provider", "within")),
        f"{TRAIL}?outcome__exact=%00",
        "/admin/autocomplete/?app_label=agents&model_name=agent&field_name=allowed_users&term=%00",
    ],
)
def test_a_null_character_is_refused_before_anything_is_looked_up(
    alice: Client, address: str
) -> None:
    path, _, query = address.partition("?")

    page = alice.get(path.replace("%00", "\0"), QUERY_STRING=query)

    assert page.status_code == 400
    assert page["X-Request-Id"] in page.content.decode()
    assert page["Cache-Control"] == "no-store"


def test_a_percent_sign_and_two_zeros_are_no_null_character(alice: Client) -> None:
    assert alice.get(TRAIL, QUERY_STRING="q=%2500").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("at__year=99999999999", "at__year=9999", "at__year=0", "at__year=x"),
        *("at__year=9999&at__month=12", "at__year=2026&at__month=13", "at__year=2026&at__day=x"),
        *("at__gte=2026-01-01", "at__month=x"),
        *("action__regex=(", "detail__iregex=(a", "reason__startswith=a", "nothing=1"),
        *("subject_sub=a", "agent__contains=a", "outcome__in=allowed"),
    ],
)
def test_a_wrong_parameter_of_the_audit_trail_leads_back_to_it(alice: Client, query: str) -> None:
    page = alice.get(f"{TRAIL}?{query}")

    assert (page.status_code, page["Location"]) == (302, f"{TRAIL}?e=1")


@pytest.mark.parametrize(
    "query",
    [
        "secret_sealed__startswith=a",
        "access_sealed__gt=a",
        "display_name__regex=(a%2B)%2B$",
        "name__contains=a",
        "id__gt=1",
        "pk=1",
    ],
)
@pytest.mark.parametrize("address", LISTS)
def test_no_list_is_filtered_by_what_it_does_not_offer(
    alice: Client, address: str, query: str
) -> None:
    page = alice.get(f"{address}?{query}")

    assert (page.status_code, page["Location"]) == (302, f"{address}?e=1")


def test_every_list_of_the_admin_is_one_that_declares_its_filters() -> None:
    pages = [admin_site.get_model_admin(model) for model in MODELS]

    assert [page for page in pages if not isinstance(page, DeclaredAdmin)] == []


@pytest.mark.parametrize("address", LISTS)
def test_every_filter_that_a_list_offers_is_one_that_it_takes(alice: Client, address: str) -> None:
    filters = alice.get(address).context["cl"].filter_specs

    for offered in [query for spec in filters for query in spec.expected_parameters()]:
        typed = "2026-11-23T08:00" if offered in TimeFilter.besides else "1"
        page = alice.get(address, {offered: typed})
        assert page.status_code == 200 or offered.endswith("__id__exact"), offered
    for spec in filters:
        changes = alice.get(address).context["cl"]
        for choice in spec.choices(changes):
            assert alice.get(address + choice["query_string"]).status_code == 200


@pytest.mark.parametrize("row", ["x", "99999999999999999999999", "-1", "_00", "__"])
@pytest.mark.parametrize("address", LISTS)
def test_a_row_that_cannot_be_is_not_there(alice: Client, address: str, row: str) -> None:
    page = alice.get(f"{address}{row}/change/")

    assert (page.status_code, page["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("kind", range(1, 25))
def test_no_row_is_looked_up_by_its_table_and_any_text(alice: Client, kind: int) -> None:
    assert alice.get(f"/admin/r/{kind}/1/").status_code == 404
