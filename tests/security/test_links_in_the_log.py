"""What the log tells of a request whose address holds a link to somebody's consent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from urllib.parse import quote

import pytest
from django.test import Client

from core.logs import EventFormatter

pytestmark = pytest.mark.django_db

LINK = "/identities/oauth2/authorize?request_uri=urn:ietf:params:oauth:request_uri:s3cr3t"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that is logged meanwhile, as the site writes it."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(EventFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("times", range(4))
def test_a_request_with_a_link_in_its_query_is_logged_without_it(
    log: StringIO, client: Client, times: int
) -> None:
    link = LINK
    for _ in range(times):
        link = quote(link, safe="")

    assert client.get("/nope", QUERY_STRING=f"next={link}").status_code == 404

    assert '"request": "GET /nope"' in log.getvalue()
    assert "s3cr3t" not in log.getvalue()
    assert "request_uri" not in log.getvalue()
