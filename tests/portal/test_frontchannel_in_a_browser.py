"""A sign-out that the provider's page tells of in a frame, as a real browser does it."""

from __future__ import annotations

import pytest

from portal.models import SignIn
from tests.browser.in_words import Reader
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.in_a_browser import Browse

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_frame_ends_the_sign_in_where_the_issuer_shows_it_and_on_no_other_site(
    host: str, provider: Provider, person: MakePerson, url: str, browse: Browse
) -> None:
    is_issuers = host == "127.0.0.1"
    cookies = person("bob").browser.cookies
    frame = f"{url}/oidc/frontchannel-logout/?iss={provider.url}&sid={provider.sids['bob']}"
    provider.issuer.answer(
        "/signed-out",
        f"<!doctype html><title>Bye</title><iframe src='{frame}'></iframe>".encode(),
        headers={"Content-Type": "text/html"},
    )

    def work(reader: Reader) -> None:
        page = reader.page
        page.context.add_cookies(
            [
                {"name": name, "value": each.value, "url": url, "sameSite": "Lax"}
                for name, each in cookies.items()
            ]
        )
        with page.expect_response("**/oidc/frontchannel-logout/**"):
            page.goto(provider.url.replace("127.0.0.1", host) + "/signed-out", wait_until="load")
        [inner] = [found for found in page.frames if found.parent_frame is not None]
        inner.wait_for_load_state()
        assert inner.url.startswith(url) is is_issuers

    browse(work)
    assert SignIn.objects.get().state == ("revoked" if is_issuers else "live")
