"""People choose the language of the pages, whatever their browser asks for."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.portal.conftest import MakePerson

pytestmark = pytest.mark.django_db

CHOOSE = "/language/"


def language_of(browser: Client, path: str = "/", asks_for: str = "en") -> str:
    page = browser.get(path, headers={"accept-language": asks_for}).content.decode()
    return "ja" if '<html lang="ja"' in page else "en" if '<html lang="en"' in page else "none"


@pytest.mark.parametrize("path", ["/", "/connections/"])
def test_the_language_that_was_chosen_stays(path: str, person: MakePerson) -> None:
    browser = Client()
    browser.cookies = person("bob").browser.cookies
    assert language_of(browser, path, asks_for="ja") == "ja"
    assert language_of(browser, path) == "en"

    answer = browser.post(
        CHOOSE, {"language": "ja"}, headers={"referer": f"http://testserver{path}"}
    )

    assert (answer.status_code, answer["Location"]) == (302, f"http://testserver{path}")
    cookie = answer.cookies["daiko_language"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("ja", True, "Lax")
    assert language_of(browser, path) == "ja"
    browser.post(CHOOSE, {"language": "en"})
    assert language_of(browser, path, asks_for="ja") == "en"


def test_a_stranger_is_offered_the_other_language(client: Client) -> None:
    page = client.get("/").content.decode()
    assert '<button class="button button--quiet" name="language" value="ja" lang="ja">' in page
    assert "日本語" in page

    client.post(CHOOSE, {"language": "ja"})

    page = client.get("/").content.decode()
    assert 'value="en" lang="en">English</button>' in page
    assert 'value="ja"' not in page


@pytest.mark.parametrize("chosen", ["xx", "", "../ja", "ja\r\nX: y"])
def test_a_language_that_there_is_not_is_none(chosen: str, client: Client) -> None:
    client.post(CHOOSE, {"language": chosen})

    assert language_of(client) == "en"


def test_a_get_chooses_nothing(client: Client) -> None:
    client.get(CHOOSE, {"language": "ja"})

    assert language_of(client) == "en"


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_it_leads_to_no_other_site(there: str, client: Client) -> None:
    answer = client.post(CHOOSE, {"language": "ja", "next": there}, headers={"referer": there})

    assert answer["Location"] == "/"


def test_another_site_chooses_nothing_for_a_person(person: MakePerson) -> None:
    browser = person("bob").browser

    assert browser.post(CHOOSE, {"language": "ja"}).status_code == 403
    assert language_of(browser) == "en"
