"""A person is shown around once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.models import SeenTour
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db


def is_shown(visitor: Client) -> bool:
    page = visitor.get("/").content.decode()
    assert 'id="tour"' in page  # it can be asked for in any case
    return "data-first" in page


def put_away(visitor: Client) -> Any:
    token = str(visitor.get("/connections/").context["csrf_token"])
    return visitor.post("/tour/seen/", headers={"X-CSRFToken": token})


def test_it_is_shown_until_it_is_put_away_whichever_browser_that_was(
    visitor: Client, provider: Provider
) -> None:
    other, alices = Client(), Client()
    sign_in(visitor, provider, "bob")
    sign_in(other, provider, "bob")
    sign_in(alices, provider, "alice")
    assert [is_shown(one) for one in (visitor, visitor, other)] == [True] * 3

    assert put_away(visitor).status_code == 204

    assert [is_shown(one) for one in (visitor, other, alices)] == [False, False, True]


def test_it_is_put_away_twice_without_an_error(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    assert [put_away(visitor).status_code for _ in range(2)] == [204, 204]
    assert SeenTour.objects.count() == 1


def test_neither_a_link_nor_another_site_nor_a_stranger_puts_it_away(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    assert visitor.get("/tour/seen/").status_code == 405
    assert visitor.post("/tour/seen/").status_code == 403
    assert Client().post("/tour/seen/").status_code == 401
    assert not SeenTour.objects.exists()
