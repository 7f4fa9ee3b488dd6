"""The links to consents at AWS in what an agent there writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.aws import consents
from agents.aws.places import Place
from portal.runs.decoded import ConsentLink, Decoded, Text
from portal.runs.decoders import decode
from portal.runs.links import Links

HOST = "bedrock-agentcore.us-west-2.amazonaws.com"
NAME = "NzBhZjE2ZjQtOTQ1Yi00YzJhLTk3ZDMtMGE5ZjQ5ZTk0Yjg3"
URN = f"urn:ietf:params:oauth:request_uri:{NAME}"
AUTHORIZE = f"https://{HOST}/identities/oauth2/authorize?request_uri="
URL = AUTHORIZE + quote(URN, safe="")
WRITTEN = [URL, AUTHORIZE + URN, URL.replace("%3A", "%3a")]


def told(content_type: str, *pieces: bytes, host: str = HOST) -> list[Decoded]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def collect() -> list[Decoded]:
        return [each async for each in decode(content_type, body(), links=Links(host))]

    return asyncio.run(collect())


def in_events(*data: Any, host: str = HOST) -> list[Decoded]:
    return told(
        "text/event-stream",
        *(f"data: {json.dumps(each)}\n\n".encode() for each in data),
        host=host,
    )


def shown(found: list[Decoded]) -> str:
    """Return the text as it stands beside the cards."""
    return "".join(
        each.text if isinstance(each, Text) else f"{{{each.instead}}}"
        for each in found
        if isinstance(each, Text | ConsentLink)
    )


def links(found: list[Decoded]) -> list[str]:
    return [each.link.url for each in found if isinstance(each, ConsentLink)]


@pytest.mark.parametrize("url", WRITTEN)
def test_a_link_in_a_text_is_one_however_it_is_encoded(url: str) -> None:
    found = in_events(f"Authorization url: {url}", "Polling for token...")

    assert links(found) == [URL]
    assert shown(found) == "Authorization url: {…}Polling for token..."


@pytest.mark.parametrize("url", WRITTEN)
@pytest.mark.parametrize(
    "written, left",
    [
        ("Go to {}. Then ask again.", "Go to {…}. Then ask again."),
        ("Go to <{}> now", "Go to {…} now"),
        ("First [sign in]({}), then [1] ask", "First {sign in}, then [1] ask"),
        ("`{}`\n\nand **{}**", "`{…}`\n\nand **{…}**"),
        ("{}&prompt=login more", "{…} more"),
        ("[open\n{}", "[open\n{…}"),
        ("a [link](https://example.com) and {}", "a [link](https://example.com) and {…}"),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 4000])
def test_a_link_is_found_however_a_model_writes_it(
    url: str, written: str, left: str, size: int
) -> None:
    text = written.replace("{}", url)
    deltas = [
        {"event": {"contentBlockDelta": {"delta": {"text": text[n : n + size]}}}}
        for n in range(0, len(text), size)
    ]

    found = in_events(*deltas)

    assert shown(found) == left
    assert set(links(found)) == {URL}


@given(st.text("[]()<>:/ ahtps", max_size=30), st.integers(1, 40))
def test_what_is_written_stands_whole_but_for_the_links(around: str, size: int) -> None:
    text = f"{around} {URL} {around}"
    found: list[Decoded] = []
    reader = Links(HOST)
    for n in range(0, len(text), size):
        found += reader.in_text(text[n : n + size], in_pieces=True)
    found += reader.rest()

    as_written = "".join(each.text for each in found if isinstance(each, Text | ConsentLink))
    assert as_written == text
    assert links(found) == [URL]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "auth_required", "url": URL},
        {"authorization": {"urls": [{"authorizationUrl": URL}]}},
        {"message": {"role": "user", "content": [{"toolResult": {"content": [{"text": URL}]}}]}},
        {"type": "CUSTOM", "name": "consent", "value": {"auth_url": f"{URL} please"}},
    ],
)
def test_a_link_in_an_event_of_any_kind_is_found_once(event: dict[str, Any]) -> None:
    found = in_events(event, "Waiting.", event)

    assert links(found) == [URL]
    assert shown(found) == "{}Waiting."


def test_a_link_in_an_answer_that_is_one_object_is_found() -> None:
    body = json.dumps({"result": "Please sign in.", "authorization_url": URL}).encode()

    found = told("application/json", body)

    assert (links(found), shown(found)) == ([URL], "Please sign in.{}")


def test_a_link_in_plain_text_may_be_cut_anywhere() -> None:
    whole = f"Open {URL}\nThen ask again.".encode()

    found = told("text/plain", whole[:80], whole[80:-18], whole[-18:])

    assert (links(found), shown(found)) == ([URL], "Open {…}\nThen ask again.")


@pytest.mark.parametrize(
    "other",
    [
        URL.replace("https:", "http:"),
        URL.replace(HOST, "bedrock-agentcore.eu-west-1.amazonaws.com"),
        URL.replace(HOST, f"{HOST}.evil.example"),
        URL.replace(HOST, f"{HOST}@evil.example"),
        URL.replace(HOST, f"{HOST}:8443"),
        URL.replace(HOST, "bedrock-agentcore.us-west-2.amazonaws.com.cn"),
        URL.replace("https://", "https://evil.example/"),
        URL.replace("/oauth2/authorize", "/oauth2/../authorize"),
        AUTHORIZE + "123456789",
        AUTHORIZE + quote("urn:ietf:params:oauth:token:" + NAME, safe=""),
        AUTHORIZE + quote(URN, safe="") + "%22",
        URL.replace("request_uri", "state=1&request_uri"),
    ],
)
def test_what_only_looks_like_a_link_is_text(other: str) -> None:
    found = in_events(f"Open {other} now", {"url": other})

    assert links(found) == []
    assert shown(found) == f"Open {other} now"


def test_nothing_that_the_agent_put_behind_the_link_is_followed() -> None:
    (found,) = links(in_events(f"{URL}&redirect=https://evil.example#x"))

    assert found == URL


def test_more_links_than_an_answer_has_cards_for_are_text() -> None:
    many = " ".join(f"{URL}{n}" for n in range(60))

    found = in_events(many)

    assert len(links(found)) == 50
    assert shown(found).count(AUTHORIZE) == 10


def test_without_being_asked_no_link_is_found() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield f"data: {json.dumps(URL)}\n\ndata: {json.dumps({'url': URL})}\n\n".encode()

    async def collect() -> list[Decoded]:
        return [each async for each in decode("text/event-stream", body())]

    assert asyncio.run(collect()) == [Text(URL)]


@pytest.mark.parametrize(
    "partition, region, host",
    [
        ("aws", "eu-west-1", "bedrock-agentcore.eu-west-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", "bedrock-agentcore.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "bedrock-agentcore.us-gov-west-1.amazonaws.com"),
        ("aws", "cn-north-1", ""),
        ("aws-cn", "us-west-2", ""),
        ("aws-none", "us-west-2", ""),
        ("aws", "mars-1", ""),
    ],
)
def test_the_host_is_awss_own_for_the_region_and_its_partition(
    partition: str, region: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:9")
    place = Place(partition=partition, region=region, account="1" * 12, runtime_id="hi-a1B2c3D4e5")

    assert consents.host_of(place) == host
