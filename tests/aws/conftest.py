"""AWS's stand-in for the tests of this room, and Cognito's own host name on this machine."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import connector
from aiohttp.resolver import ThreadedResolver

from core import http as outbound
from tests.agents.conftest import admin, alice, bob
from tests.fixtures.aws import REGION, Aws, aws, aws_server
from tests.fixtures.loopback import QuietHandler, serving
from tests.fixtures.vendors.internet import certificates

__all__ = ["admin", "alice", "aws", "aws_server", "bob"]

ARTIFACT = {"containerConfiguration": {"containerUri": "1.dkr.ecr.us-east-1.amazonaws.com/x:1"}}
COGNITO = f"cognito-idp.{REGION}.amazonaws.com"


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Leave boto3 nothing to sign with."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture
def cognito_over_https(
    aws: Aws, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[None]:
    """Lead Cognito's host name to the stand-in, over https with an authority of the test's own.

    The stand-in's tokens name the real host as their issuer, as Cognito's do, so its documents have
    to be found there. It writes the addresses in them by how it was asked, which is without TLS.
    """
    place = urlsplit(aws.url).netloc

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            with closing(http.client.HTTPConnection(place, timeout=10)) as asked:
                asked.request("GET", self.path, headers={"Host": self.headers["Host"]})
                answer = asked.getresponse()
                body = answer.read().replace(b"http://", b"https://")
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server, trust = certificates(tmp_path, {COGNITO})
    with serving(Handler, tls=server) as url:

        async def resolve(_: object, host: str, port: int = 0, family: object = 0) -> list[Any]:
            assert (host, port) == (COGNITO, 443)
            return [
                {"hostname": host, "host": "127.0.0.1", "port": urlsplit(url).port,
                 "family": socket.AF_INET, "proto": 0, "flags": 0}
            ]  # fmt: skip

        settings.DAIKO_ALLOWED_PRIVATE_HOSTS = [COGNITO]
        monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
        monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", trust)
        outbound.run(outbound.close())
        yield
        outbound.run(outbound.close())


@pytest.fixture
def made(aws: Aws) -> Iterator[Any]:
    """Make a runtime at AWS."""
    client = aws.client("bedrock-agentcore-control")

    def make(name: str, **about: Any) -> str:
        return str(
            client.create_agent_runtime(
                agentRuntimeName=name,
                agentRuntimeArtifact=ARTIFACT,
                roleArn="arn:aws:iam::123456789012:role/agent",
                networkConfiguration={"networkMode": "PUBLIC"},
                **about,
            )["agentRuntimeId"]
        )

    yield make
