"""Both sites: what every page carries, says and leaves out."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.demo_sites.journeys import ask, signed_in
from tests.fixtures.browsing import browser, get, post
from tests.fixtures.demo_sites import Acme, IdentityProvider, Site

STRANGER = "http://localhost:9"


@pytest.fixture(params=["idp", "acme"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    return found


def pages(site: Site) -> list[httpx.Response]:
    person = "bob@acme.example" if isinstance(site, Acme) else "bob"
    with signed_in(site, person) as client:
        signed_in_pages = [client.get("/"), client.get("/nothing/here")]
        signed_in_pages.append(client.get(ask(site, redirect_uri="https://a.example/").path))
        signed_in_pages.append(client.post("/sign-out/"))
        if isinstance(site, IdentityProvider):
            signed_in_pages += [client.get("/oauth2/logout"), client.get("/sign-in/again/")]
        else:
            signed_in_pages.append(client.get(ask(site).path))
    return [get(f"{site.url}/sign-in/"), *signed_in_pages]


def test_every_page_says_that_it_is_a_demo(site: Site) -> None:
    for page in pages(site):
        assert "This is a demo. It runs on this machine" in page.text, page.url


def test_a_sign_in_says_where_its_passwords_are(site: Site) -> None:
    page = get(f"{site.url}/sign-in/").text

    assert "Names and passwords are printed where the demo was started." in page


def test_every_page_has_a_strict_policy_and_the_other_headers(site: Site) -> None:
    # A consent at acme goes on, through the portal, to the page of an agent's developer.
    leads_to = f"{STRANGER} http://localhost:*" if isinstance(site, Acme) else STRANGER
    for page in pages(site):
        directives = dict(
            part.strip().split(" ", 1)
            for part in page.headers["content-security-policy"].split(";")
        )
        assert directives == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
            "form-action": f"'self' {leads_to}",
        }
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in page.headers["permissions-policy"]
        assert "no-store" in page.headers["cache-control"]


def test_no_page_has_a_script_or_a_style_in_it(site: Site) -> None:
    for page in pages(site):
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page.text), page.url


def test_errors_are_pages_with_their_status_and_tell_nothing_else(site: Site) -> None:
    missing = get(f"{site.url}/nothing/here")
    wrong_host = get(site.url, headers={"Host": "attacker.example"})
    wrong_method = get(f"{site.url}/oauth2/revoke")

    assert missing.status_code == 404 and "There is nothing here" in missing.text
    assert wrong_host.status_code == 400 and "Traceback" not in wrong_host.text
    assert wrong_method.status_code == 405
    assert "urlpatterns" not in missing.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope"])
def test_a_null_character_is_a_bad_request_and_no_failure(site: Site, name: str) -> None:
    asked = get(f"{site.url}{ask(site, **{name: 'a' + chr(0)}).path}")
    posted = post(f"{site.url}/oauth2/token", data={"grant_type": chr(0)})

    assert (asked.status_code, posted.status_code) == (400, 400)
    assert "location" not in asked.headers


def test_the_styles_and_the_mark_are_there(site: Site) -> None:
    page = get(f"{site.url}/sign-in/").text

    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        assert get(f"{site.url}{path}").status_code == 200, path


def test_it_says_that_it_is_well(site: Site) -> None:
    assert get(f"{site.url}/healthz").json() == {"status": "ok"}


def test_signing_in_leads_nowhere_else(site: Site) -> None:
    person = "bob@acme.example" if isinstance(site, Acme) else "bob"
    name_field = "username" if isinstance(site, Acme) else "login"
    with browser(site.url) as client:
        page = client.get("/sign-in/", params={"next": "https://attacker.example/"})
        answer = client.post(
            "/sign-in/",
            data={
                name_field: person,
                "password": site.passwords[person],
                "next": "https://attacker.example/",
                "csrfmiddlewaretoken": re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[
                    0
                ],
            },
        )

    assert answer.headers["location"] == "/"
