from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import http
from core.http import (
    HttpRefused,
    HttpTooLarge,
    HttpUnanswered,
    HttpUnreachable,
    address_is_public,
    check_url,
)
from core.http.guard import GuardedResolver
from core.secret import Secret
from tests.fixtures.issuer import Issuer, Reply, Request
from tests.fixtures.loops import Run

PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("0.0.0.0", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),  # noqa: S104
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1"),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1", "100::1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::200e"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_unicast_is_known_as_such(address: str) -> None:
    assert not address_is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known_as_such(address: str) -> None:
    assert address_is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_public_or_not_however_ipv6_wraps_it(address: Any) -> None:
    assert address_is_public(f"::ffff:{address}") == address_is_public(str(address))
    assert not address_is_public(f"64:ff9b::{address}")


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", [a for a in PRIVATE if "%" not in a])
def test_a_url_with_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(HttpRefused):
        check_url(f"https://{_literal(address)}/")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "2130706433",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
        ),
        # Full-width digits, and other characters that become digits or dots.
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
    ],
)
def test_an_address_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(HttpRefused):
        check_url(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "agent.example", "/path", "ftp://agent.example/", "file:///etc/passwd", "https://"),
        *("https:///path", "javascript:alert(1)", "https://[::1", "https://agent.example:port/"),
        *("gopher://agent.example", "//agent.example/", "https://agent.example:99999/"),
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(HttpRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user@agent.example/",
        "https://user:password@agent.example/",
        "https://:password@agent.example/",
        "https://agent.example\\@127.0.0.1/",
        "https://agent.example@127.0.0.1/",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(HttpRefused) as caught:
        check_url(url)

    assert "password" not in f"{caught.value} {caught.value.message}"


def test_clear_text_is_for_listed_hosts_alone(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["Agent.Local", "10.0.0.7"]

    with pytest.raises(HttpRefused, match="http to agent"):
        check_url("http://agent.example/")

    with pytest.raises(HttpRefused, match="not an http"):
        check_url("ftp://agent.local/")
    assert check_url("http://agent.local:8080/x").port == 8080
    assert check_url("http://10.0.0.7/").host == "10.0.0.7"
    with pytest.raises(HttpRefused):
        check_url("https://10.0.0.8/")


def test_a_public_https_url_passes_as_the_client_will_read_it() -> None:
    assert str(check_url("https://Agent.Example/a b?c=d")) == "https://agent.example/a%20b?c=d"


def test_it_brings_back_status_headers_and_body(issuer: Issuer) -> None:
    issuer.answer("/x", {"a": 1}, status=418, headers={"X-Told": "yes"})

    answer = http.fetch_sync("GET", issuer.url + "/x")

    assert (answer.status, answer.headers["x-told"], answer.json()) == (418, "yes", {"a": 1})


def test_a_list_in_a_form_is_sent_once_for_each_of_its_values(issuer: Issuer) -> None:
    issuer.answer("/token", {}, method="POST")

    http.fetch_sync("POST", issuer.url + "/token", form={"resource": ["a b", "c"], "scope": "x"})

    assert issuer.asked[-1].body == b"resource=a+b&resource=c&scope=x"


def test_a_form_and_credentials_go_as_they_should(issuer: Issuer) -> None:
    issuer.answer("/token", {}, method="POST")

    http.fetch_sync(
        "POST", issuer.url + "/token", form={"a": "b c"}, basic_auth=("me", Secret("s3cret"))
    )

    asked = issuer.asked[-1]
    assert asked.form == {"a": "b c"}
    assert asked.headers["authorization"] == "Basic bWU6czNjcmV0"
    assert asked.headers["user-agent"] == "Daiko"
    assert "cookie" not in asked.headers


def test_a_redirect_is_an_answer_and_is_not_followed(issuer: Issuer) -> None:
    issuer.answer("/here", status=302, headers={"Location": issuer.url + "/there"})

    assert http.fetch_sync("GET", issuer.url + "/here").status == 302
    assert issuer.times_asked("/there") == 0


def test_cookies_are_not_kept(issuer: Issuer) -> None:
    issuer.answer("/x", headers={"Set-Cookie": "a=b; Path=/"})

    http.fetch_sync("GET", issuer.url + "/x")
    http.fetch_sync("GET", issuer.url + "/x")

    assert "cookie" not in issuer.asked[-1].headers


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_an_answer_is_read_up_to_its_bound(issuer: Issuer, size: int, fits: bool) -> None:
    issuer.answer("/x", b"x" * size)

    if fits:
        assert len(http.fetch_sync("GET", issuer.url + "/x", max_bytes=1000).body) == size
    else:
        with pytest.raises(HttpTooLarge):
            http.fetch_sync("GET", issuer.url + "/x", max_bytes=1000)


def test_a_small_answer_is_not_unpacked_into_a_large_one(issuer: Issuer) -> None:
    packed = gzip.compress(b"\0" * (1 << 24))
    issuer.answer("/x", packed, headers={"Content-Encoding": "gzip"})

    assert http.fetch_sync("GET", issuer.url + "/x").body == packed
    assert issuer.asked[-1].headers["accept-encoding"] == "identity"


def test_an_answer_that_takes_too_long_is_not_waited_for(issuer: Issuer) -> None:
    issuer.answer("/x", {}, delay_s=5)

    with pytest.raises(HttpUnanswered):
        http.fetch_sync("GET", issuer.url + "/x?secret=1", timeout_s=0.3)


@contextmanager
def _speaking(said: bytes) -> Iterator[str]:
    """Run a server that says the same to every connection, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65536)
                    peer.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", id="half an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="a bad length"),
    ],
)
def test_what_is_no_whole_answer_may_have_been_acted_on(settings: Any, said: bytes) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]

    with _speaking(said) as url, pytest.raises(HttpUnanswered) as caught:
        http.fetch_sync("POST", url + "/token?code=c0de", form={})

    assert "c0de" not in f"{caught.value} {caught.value.message}"


def test_where_nobody_listens_nothing_was_sent(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(HttpUnreachable):
        http.fetch_sync("GET", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve_was_sent_nothing(host: str) -> None:
    with pytest.raises((HttpUnreachable, HttpRefused)):
        http.fetch_sync("GET", f"https://{host}/")


def test_a_name_that_resolves_to_a_private_address_is_refused(issuer: Issuer) -> None:
    # localhost is not listed here, and resolves to 127.0.0.1 where the issuer listens.
    port = issuer.url.rpartition(":")[2]

    with pytest.raises(HttpRefused, match="private address of localhost"):
        http.fetch_sync("GET", f"https://localhost:{port}/")

    assert issuer.asked == []


@pytest.mark.parametrize(
    ("found", "refused"),
    [(["8.8.8.8", "1.1.1.1"], False), (["8.8.8.8", "10.0.0.1"], True), (["::1"], True)],
)
def test_one_private_address_among_public_ones_is_enough_to_refuse(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch, found: list[str], refused: bool
) -> None:
    async def resolve(*_: Any) -> list[dict[str, Any]]:
        return [{"host": address} for address in found]

    async def ask() -> list[str]:
        resolver = GuardedResolver()
        monkeypatch.setattr(resolver._inner, "resolve", resolve)
        try:
            return [result["host"] for result in await resolver.resolve("rebinding.example")]
        finally:
            await resolver.close()

    if refused:
        with pytest.raises(HttpRefused):
            run(ask())
    else:
        assert run(ask()) == found


def test_a_listed_name_may_resolve_to_a_private_address(settings: Any, issuer: Issuer) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["localhost"]
    issuer.answer("/x", {})
    port = issuer.url.rpartition(":")[2]

    assert http.fetch_sync("GET", f"http://localhost:{port}/x").status == 200


def test_each_fetch_has_a_connection_of_its_own(issuer: Issuer) -> None:
    seen: list[str] = []

    def note(request: Request) -> Reply:
        seen.append(request.headers["connection"])
        return Reply({})

    issuer.routes["GET /x"] = note
    http.fetch_sync("GET", issuer.url + "/x")

    assert seen == ["close"]


def test_the_client_that_keeps_connections_follows_nothing(run: Run[Any], issuer: Issuer) -> None:
    issuer.answer("/x", status=302, headers={"Location": issuer.url + "/y"})

    async def work(url: str) -> None:
        try:
            async with http.session().get(url):
                pass
        finally:
            await http.close()

    with pytest.raises(HttpUnanswered) as followed:
        run(work(issuer.url + "/x"))
    with pytest.raises(HttpRefused) as private:
        run(work("https://127.0.0.2:9/"))

    assert followed.value.detail == "status 302"
    assert private.value.detail == "private address of 127.0.0.2"
    assert issuer.times_asked("/y") == 0


def test_callers_with_an_event_loop_have_a_client_each_and_can_close_it(
    run: Run[Any], issuer: Issuer
) -> None:
    issuer.answer("/x", {})

    async def work() -> tuple[int, bool, bool]:
        answer = await http.fetch("GET", issuer.url + "/x")
        kept = http.session()
        same = kept is http.session()
        await http.close()
        return answer.status, same, kept.closed

    assert run(work()) == (200, True, True)
    asyncio.run(http.close())  # closing what was never opened does nothing
