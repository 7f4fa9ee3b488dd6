"""What runs on AWS is registered from the admin's page that shows it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect
from pytest_django import Settings

from agents.models import Agent
from tests.browser.in_words import Reader
from tests.portal.in_a_browser import Browse, browse, url

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["browse", "url"]


def test_what_is_chosen_is_registered_and_open_to_nobody(
    made: Any, url: str, browse: Browse, settings: Settings, admin: Client
) -> None:
    made("hosted_agent")
    cookie = admin.cookies[settings.SESSION_COOKIE_NAME]

    def work(reader: Reader) -> None:
        page = reader.page
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
        page.goto(f"{url}/admin/agents/agent/")
        reader.link("Import from AWS").click()
        reader.reads("Standing")
        reader.fits()
        page.get_by_role("checkbox", name="hosted_agent").check()
        reader.press("Register the chosen ones")
        told = reader.words(
            "“%(name)s” is registered. Nobody may use it until you say who.", name="Hosted agent"
        )
        expect(page.locator(".messagelist")).to_contain_text(told)
        expect(page.get_by_role("checkbox", name="hosted_agent")).to_have_count(0)
        reader.fits()
        page.get_by_role("link", name="hosted_agent").click()
        expect(page.locator("#id_display_name")).to_have_value("Hosted agent")

    browse(work)
    agent = Agent.objects.get()
    assert not (agent.allow_everyone or agent.allowed_groups.exists())
